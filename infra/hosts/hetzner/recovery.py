"""What a deployment does before and after the engine runs, so that a kill or a hand in the console heals by itself."""

from __future__ import annotations

from hcloud import APIException

from infra.hosts.hetzner.account import client, refused
from infra.settings import PROJECT, Settings
from stack_runtime.errors import UnreachableError


def server_exists(server_id: str) -> bool:
    """Whether the account still holds this server.

    Raises:
        UnreachableError: the API does not say.
    """
    try:
        client().servers.get_by_id(int(server_id))
    except APIException as error:
        if error.code == "not_found":
            return False
        raise refused(error) from None
    except OSError as error:
        raise UnreachableError(f"the Hetzner API does not answer: {error}", next_command="fds doctor") from None
    return True


def lift_protection(settings: Settings, *, volumes: bool) -> None:
    """Take the account's delete protection off the stack's server, and off its data volume when that goes too."""
    selector = f"project={PROJECT},stack={settings.stack}"
    api = client()
    try:
        for server in api.servers.get_all(label_selector=selector):
            server.change_protection(delete=False, rebuild=False).wait_until_finished()
        for volume in api.volumes.get_all(label_selector=selector) if volumes else ():
            volume.change_protection(delete=False).wait_until_finished()
    except APIException as error:
        raise refused(error) from None


def remove_volumes(settings: Settings) -> list[str]:
    """Delete the stack's data volumes, which the engine leaves behind on purpose.

    Returns: their names.
    """
    selector = f"project={PROJECT},stack={settings.stack}"
    try:
        found = client().volumes.get_all(label_selector=selector)
        for volume in found:
            volume.delete()
    except APIException as error:
        raise refused(error) from None
    return [str(volume.name) for volume in found]
