"""Open SSH connections to the server and compare the server's host key with the pinned host key."""

from __future__ import annotations

import base64
import logging
from types import TracebackType

import paramiko

from stack_runtime.errors import HostKeyError
from stack_runtime.remote import DEPLOY_USER, Access
from stack_runtime.remote.keys import public_half

logging.getLogger("paramiko").setLevel(logging.CRITICAL)
"""Hide Paramiko's tracebacks, because a booting server refuses connections, and `ready` reports this in one line."""


class Connection:
    """An open SSH connection.

    Args:
        booting: expect the host key of the first boot instead of the permanent host key.

    Raises:
        HostKeyError: the server's host key is not the expected host key.
        paramiko.SSHException, OSError: the server does not answer or refuses the login, for example because it
            is still booting.
    """

    def __init__(self, access: Access, *, booting: bool = False, timeout: float = 15.0) -> None:
        expected = access.boot_key_public if booting else public_half(access.host_key)
        self._client = paramiko.SSHClient()
        entry = paramiko.PKey.from_type_string("ssh-ed25519", base64.b64decode(expected.split()[1]))
        self._client.get_host_keys().add(access.address, "ssh-ed25519", entry)
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            self._client.connect(
                access.address,
                username=DEPLOY_USER,
                key_filename=str(access.key_file),
                look_for_keys=False,
                allow_agent=False,
                timeout=timeout,
                banner_timeout=timeout,
                auth_timeout=timeout,
            )
        except paramiko.BadHostKeyException:
            self._client.close()
            raise HostKeyError(
                f"the host key of the server at {access.address} is not the pinned host key, so the server is refused",
                next_command="find out why first; if the server was rebuilt, fds up adopts it",
            ) from None
        except BaseException:
            self._client.close()
            raise

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        """Run a command. Returns: exit code, and standard output followed by standard error."""
        channel_in, channel_out, channel_err = self._client.exec_command(command, timeout=timeout)
        if stdin:
            channel_in.write(stdin)
        channel_in.channel.shutdown_write()
        text = channel_out.read().decode(errors="replace") + channel_err.read().decode(errors="replace")
        return channel_out.channel.recv_exit_status(), text

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
