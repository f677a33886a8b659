"""Run commands on the server: as the deploy user with the stack's key, or as its owner with the owner's own keys."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.cost.planning.capacity import GB, Machine
from infra.hosts.ssh.known import pinned
from infra.settings import Settings
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.paths import keys_folder
from stack_runtime.remote import DEPLOY_USER, key_file, ssh_options
from stack_runtime.text import last_line

SHORT_S = 60.0
LONG_S = 900.0
"""Time limits in seconds: `SHORT_S` for a short command, `LONG_S` for an installation of packages."""
SSH_FAILED = 255
"""Exit code of `ssh` if it could not connect or log in."""
NO_REASON = "no reason given"
"""Reason in an error for a command that failed without output."""
_BEGIN = "fds: the answer follows"
"""Line that is printed before a command's answer, because start-up files of the owner's shell may print too."""
CAPACITY = (
    f"echo; echo '{_BEGIN}'; "
    "export LC_ALL=C; uname -m; nproc; sed -n 's/^MemTotal: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo; "
    'folder=$(docker info --format "{{.DockerRootDir}}" 2>/dev/null) && [ -d "$folder" ] || folder=/var/lib; '
    'df -B1 --output=size "$folder" | tail -n 1'
)
"""Shell command that prints architecture, cores, memory in KiB, and size in bytes of the disk with Docker's files."""
_ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm"}


@dataclass(frozen=True)
class Server:
    """The server of a stack, with the folder of its key files."""

    settings: Settings
    folder: Path

    @classmethod
    def of(cls, settings: Settings, project: Path) -> Server:
        """Return the server of a stack of this project."""
        return cls(settings, keys_folder(project, settings.stack))

    def as_deploy(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the deploy user with the stack's key."""
        return self._run([*ssh_options(self.folder), f"{DEPLOY_USER}@{self.settings.ssh_host}"], command, "", SHORT_S)

    def as_owner(self, command: str, stdin: str = "", seconds: float = SHORT_S) -> subprocess.CompletedProcess[str]:
        """Run a command as `sshUser`, with the keys of the SSH agent or the default keys of this machine's user."""
        options = ssh_options(self.folder, own_key=False)
        return self._run([*options, f"{self.settings.ssh_user}@{self.settings.ssh_host}"], command, stdin, seconds)

    def as_root(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script with these arguments as root; if `sshUser` is not root, with sudo."""
        shell = ["sh", "-s", "--", *words]
        root = shell if self.settings.ssh_user == "root" else ["sudo", "-n", *shell]
        return self.as_owner(shlex.join(root), script, LONG_S)

    def _run(self, where: list[str], command: str, stdin: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a command through `ssh`.

        Raises:
            UnreachableError: the command takes longer than `seconds`, or `ssh` is not installed.
        """
        words = ["ssh", "-T", "-p", str(self.settings.ssh_port), *where, command]
        try:
            return subprocess.run(words, input=stdin, capture_output=True, text=True, errors="replace", timeout=seconds)
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                f"a command on {self.settings.ssh_host} did not end within {seconds:.0f} s", next_command="fds up"
            ) from None
        except FileNotFoundError:
            raise UnreachableError("the program ssh is missing", next_command="install openssh-client") from None

    def accepts_deploy_user(self) -> bool:
        """Return whether the deploy user may log in with the stack's key and use Docker."""
        if not key_file(self.folder).exists():
            return False
        return self.as_deploy("docker version --format '{{.Server.Version}}'").returncode == 0

    def capacity(self) -> Machine:
        """Return the server's resources; if they cannot be read, a `Machine` that has only the reason, in `unknown`."""
        if not self.settings.ssh_host:
            return Machine(unknown="the setting sshHost is empty")
        if pinned(self.folder) is None:
            return Machine(
                unknown=f"its host key is not accepted yet, fds setup --stack {self.settings.stack} shows it"
            )
        try:
            done = self._answer(CAPACITY)
        except StackError as error:
            return Machine(unknown=error.what)
        if done.returncode:
            return Machine(unknown=last_line(done.stderr, NO_REASON))
        return _parsed(done.stdout)

    def _answer(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the deploy user, or as the owner if the deploy user cannot log in yet."""
        if key_file(self.folder).exists():
            done = self.as_deploy(command)
            if done.returncode != SSH_FAILED:
                return done
        return self.as_owner(command)


def _parsed(text: str) -> Machine:
    """Parse the output of `CAPACITY`; for output of any other form, set only `Machine.unknown`, to the reason."""
    lines = [line.strip() for line in text.rpartition(f"\n{_BEGIN}\n")[2].splitlines()]
    if len(lines) != 4 or not all(re.fullmatch(r"[1-9][0-9]{0,17}", line) for line in lines[1:]):
        return Machine(unknown="its answer about memory, CPU and disk cannot be read")
    cores, memory_kb, disk = (int(line) for line in lines[1:])
    architecture = _ARCHITECTURES.get(lines[0], lines[0][:20])
    return Machine(memory_kb // 1024, cores, disk // GB, architecture=architecture)
