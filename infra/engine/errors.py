"""Convert a failure of the Pulumi engine to a `StackError` that says what happened and which command to run next."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from infra import image_lock
from infra.engine.state_edits import KINDS, RECORD
from stack_runtime.docker_problems import RATE_LIMIT
from stack_runtime.errors import RefusedError, StackError, UnreachableError, UsageError
from stack_runtime.paths import IMAGES
from stack_runtime.text import Say

PROGRAM = "python inline source runtime error: "
"""Prefix that the Pulumi SDK adds to an error of the program, unless it is a `RunError`."""

_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_CUT = re.compile(
    r"over SSH|ssh: connect|exit status 255|closed by remote host|connection (reset|broken)|broken pipe|unexpected EOF"
    rf"|unable to pull image {IMAGES}/",
    re.IGNORECASE,
)
"""Errors for a broken connection over SSH. The last alternative of the pattern is the official plugin's error after an
interrupted build, when it tries to pull the image that was not built."""
_LOST = re.compile(
    r"RemoteDisconnected|Remote end closed|Connection aborted|IncompleteRead|Max retries exceeded|Read timed out"
    r"|connection refused|dial tcp|TLS handshake|SSLError|SSLEOFError|i/o timeout|\": EOF\b",
    re.IGNORECASE,
)
"""Errors for a broken connection to an API: from `requests` (plugins of `fds-offline`) or Go (official plugins)."""
_API_CUT = re.compile(r'\b(Get|Post|Put|Delete) "https?://[^"]*/v1/[a-z_]+[^"]*": ')
"""Start of the Hetzner plugin's error for an incomplete response. Errors about Docker's API do not match, because its
URLs contain no plain `/v1/`."""
_STATUS = "server responded with status code"
"""Error of the official plugin for a response without an error code; the plugin of `fds-offline` writes `(503)`."""
_LOCKED = re.compile(r"\((locked|conflict)\b", re.IGNORECASE)
_LIMIT = re.compile(r"\(resource_limit_exceeded\b", re.IGNORECASE)
_TAKEN = re.compile(r"\(uniqueness_error\b", re.IGNORECASE)
_NO_ROOM = re.compile(r"\((no_space_left_in_location|resource_unavailable|placement_error|primary_ip_unavailable)\b")
_PROTECTED = re.compile(r"\(protected\b")
_MAINTENANCE = re.compile(r"\(maintenance\b")
_FAILED = re.compile(r"\((action_failed|unknown_error)\b|An API action for the resource failed", re.IGNORECASE)
_READ_ONLY = re.compile(r"\(token_readonly\b", re.IGNORECASE)
_TOKEN = re.compile(rf"\((unauthorized|forbidden|401|403)[,)]|HCLOUD_TOKEN|{_STATUS} 40[13]", re.IGNORECASE)
_BUSY = re.compile(
    rf"\((unavailable|service_unavailable|rate_limit_exceeded)\b|\((429|503)[,)]|{_STATUS} (429|503)", re.IGNORECASE
)
_BROKEN = re.compile(rf"\((server_error|service_error|bad_gateway|timeout)[,)]|\(5\d\d[,)]|{_STATUS} 5\d\d")
"""Errors after which it is unknown whether the request took effect."""
_UNREADABLE = re.compile(
    r"context deadline exceeded|Client\.Timeout exceeded|request canceled|Timeout while waiting on action"
    r"|did not end in \d+ s|invalid character '|unexpected end of JSON input|\(20\d[,)]"
)
"""Further errors of this kind, about a response that is late or not JSON; Docker's resources may have the same ones."""
_CODE = re.compile(rf"\([a-z]+(_[a-z0-9]+)*(, [\w-]+)?\)|{_STATUS} \d+")
"""Any refusal by the Hetzner API: its error code, and the identifier of the request."""
_ONLY_IN_ACCOUNT = {kind.rpartition(":")[2] for kind in (*KINDS, RECORD)} - {"Network", "Volume"}
"""Kinds of resources that Docker does not have."""
_IMAGE = re.compile(
    r"unable to (?:find or )?pull image (?P<name>[^\s:@]+(?::[\w.-]+)?)(?P<digest>@sha256:)?", re.IGNORECASE
)
"""Error of a failed pull. If the image is still missing after a pull, the official plugin writes `find or pull`, but no
reason."""
_RATE_ADVICE = (
    "wait until the limit resets (six hours at most); on this machine also docker login and fds setup; "
    "for a new server, also the setting registryMirror"
)
_PLUGIN = re.compile(
    r"(?:download and install|no) resource plugin '?(?:pulumi-resource-)?(?P<name>[a-z-]+)", re.IGNORECASE
)
_AGAIN = "the same command again, which first checks what took effect"
_SEALED = re.compile(r"cipher: message authentication failed|incorrect passphrase", re.IGNORECASE)
LONGEST = 600
"""Maximum length of a reason in an error, in characters."""
PAUSES_S = (2.0, 8.0, 32.0)
"""Seconds that `retry_when_busy` waits before each retry."""

Result = TypeVar("Result")


class BusyError(UnreachableError):
    """The provider's API failed temporarily. Some changes may have taken effect, so read the account before a retry."""


def retry_when_busy(work: Callable[[], Result], say: Say, mend: Callable[[], object] = lambda: None) -> Result:
    """Call `work`, and retry with growing pauses while the API is busy; the Pulumi provider itself does not retry.

    Args:
        mend: function to call before each retry, because a failed attempt may leave unapplied changes in the Pulumi
            state.

    Raises:
        BusyError: the API is still busy after the last attempt.
    """

    def again() -> Result:
        mend()
        return work()

    attempt = work
    for pause in PAUSES_S:
        try:
            return attempt()
        except BusyError as error:
            say(f"{error.what}; trying again in {pause:.0f} s")
        time.sleep(pause)
        attempt = again
    return attempt()


def to_stack_error(reason: str, stack: str) -> StackError:
    """Return the error for a failed command of the engine; `reason` is the engine's message on one line."""
    where = f"stack {stack}"
    said, _, advice = reason.removeprefix(PROGRAM).partition("; next: ")
    if advice:  # only errors of the program have this form
        return UnreachableError(said, next_command=advice)
    short = reason[:LONGEST]
    if _FULL.search(reason):
        way = f"make room there or raise volumeGb in Pulumi.{stack}.yaml, then fds up --stack {stack}"
        return UnreachableError(f"a disk of the host is full: {short}", where=where, next_command=way)
    if RATE_LIMIT.search(reason):
        what = f"the image hub refuses more downloads by the host for now: {short}"
        return UnreachableError(what, where=where, next_command=f"{_RATE_ADVICE}, then fds up --stack {stack}")
    if of_plugin := _of_plugin(reason, stack):
        return of_plugin
    if of_account := _of_busy_api(reason, short, stack) or _of_account(reason, short, stack):
        return of_account
    for broken, what in ((_CUT, "the connection to the host broke"), (_LOST, "a connection broke")):
        if broken.search(reason):
            way = f"fds up --stack {stack}, which goes on where this one stopped"
            return UnreachableError(f"{what}: {short}", where=where, next_command=way)
    if of_image := _of_image(reason, short, stack):
        return of_image
    if _is_of_account(reason, stack) and _CODE.search(reason):
        way = f"correct what it names, in Pulumi.{stack}.yaml or in the Hetzner console, then the same command again"
        return UnreachableError(f"the Hetzner API refused a request: {short}", where=where, next_command=way)
    if _SEALED.search(reason):
        way = f"restore Pulumi.{stack}.yaml and .fds/passphrase to versions that belong together"
        return UsageError(
            "a secret of the stack file cannot be decrypted with this passphrase", where=where, next_command=way
        )
    return StackError(short, where=where, next_command=f"fds doctor --stack {stack}")


def _is_of_account(reason: str, stack: str) -> bool:
    """Return whether an error is about a resource of the Hetzner account; the error begins with kind and name."""
    kind, _, name = reason.partition(": ")[0].partition(" ")
    return kind in _ONLY_IN_ACCOUNT or (kind, name) in (("Network", f"{stack}-network"), ("Volume", f"{stack}-data"))


def _of_busy_api(reason: str, short: str, stack: str) -> BusyError | None:
    """Return the error if the Hetzner API is busy or failed, so that the request is worth a retry; else None."""
    what, way = "", _AGAIN
    if _API_CUT.search(reason):
        what = "the connection to the Hetzner API broke"
    elif _LOCKED.search(reason):
        what, way = "the Hetzner account is still busy with this", f"wait some minutes, then {_AGAIN}"
    elif _BUSY.search(reason):
        what, way = "the Hetzner API is busy", "wait some minutes, then the same command again"
    elif _BROKEN.search(reason) or (_UNREADABLE.search(reason) and _is_of_account(reason, stack)):
        what = "the Hetzner API failed or did not answer completely"
    return BusyError(f"{what}: {short}", where=f"stack {stack}", next_command=way) if what else None


def _of_account(reason: str, short: str, stack: str) -> StackError | None:
    """Return the error if the Hetzner API refused the request or an action failed; else None."""
    where = f"stack {stack}"
    if _LIMIT.search(reason):
        way = f"raise the limit in the Hetzner console or delete what is not needed, then fds up --stack {stack}"
        return UnreachableError(f"a limit of the Hetzner project is reached: {short}", where=where, next_command=way)
    if _TAKEN.search(reason):
        what = f"the Hetzner project already has a resource of this name or key, which is not the stack's: {short}"
        way = f"rename or delete it in the Hetzner console, or use another name with --stack, then {_AGAIN}"
        return RefusedError(what, where=where, next_command=way)
    if _NO_ROOM.search(reason):
        what = f"Hetzner has no room for a resource in this location now: {short}"
        way = (
            f"wait some hours, then fds up --stack {stack}; a stack without server and volume can also change location"
        )
        return UnreachableError(what, where=where, next_command=way)
    if _PROTECTED.search(reason):
        what = f"a resource of the Hetzner account is protected against this: {short}"
        way = "remove its protection in the Hetzner console, then the same command again"
        return UnreachableError(what, where=where, next_command=way)
    if _MAINTENANCE.search(reason):
        way = "wait until status.hetzner.com shows its end, then the same command again"
        return UnreachableError(f"Hetzner does maintenance: {short}", where=where, next_command=way)
    if _FAILED.search(reason):
        what = f"an action failed in the Hetzner account: {short}"
        way = f"{_AGAIN}; if it fails again, look at it in the Hetzner console"
        return UnreachableError(what, where=where, next_command=way)
    if _READ_ONLY.search(reason):
        way = f"create a token that may read and write, export HCLOUD_TOKEN=TOKEN, then fds setup --stack {stack}"
        return UnreachableError("the Hetzner token is read-only", where=where, next_command=way)
    if _TOKEN.search(reason):
        way = "export HCLOUD_TOKEN=TOKEN of this project, then the same command again"
        return UnreachableError(f"the Hetzner API refused the token in HCLOUD_TOKEN: {short}", next_command=way)
    return None


def _of_image(reason: str, short: str, stack: str) -> StackError | None:
    """Return the error if an image could not be pulled; else None."""
    where = f"stack {stack}"
    if image := _IMAGE.search(reason):
        what = f"image {image['name']} could not be pulled on the host: {short}"
        way = f"fds up --stack {stack} again, or pull it there by hand to see why"
        if image["digest"]:
            way = f"fds up --stack {stack} again, or {image_lock.unlock_command(image['name'])}"
        return UnreachableError(what, where=where, next_command=way)
    return None


def _of_plugin(reason: str, stack: str) -> StackError | None:
    """Return the error if the engine lacks a plugin; else None."""
    plugin = _PLUGIN.search(reason)
    if plugin is None:
        return None
    return UnreachableError(
        f"the engine's plugin {plugin['name']} is missing and cannot be downloaded",
        where=f"stack {stack}",
        next_command=f"fds setup --stack {stack}, then the same command again",
    )
