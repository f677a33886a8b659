"""Simulate volumes by sparse files with loop devices; the volumes are independent of servers and can grow."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .machines import MachineError

GB = 1_000_000_000


class Disks:
    """The volumes of one project, in files of `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._devices: dict[int, str] = {}

    def _file(self, volume: int) -> Path:
        return self.folder / f"volume-{volume}.img"

    def create(self, volume: int, size_gb: int, filesystem: str | None) -> None:
        """Create a disk, empty or with a file system."""
        path = self._file(volume)
        with path.open("wb") as file:
            file.truncate(size_gb * GB)
        if filesystem is not None:
            _run(f"mkfs.{filesystem}", "-q", str(path))
        self._devices[volume] = _run("losetup", "--find", "--show", str(path)).strip()

    def minor(self, volume: int) -> int:
        """Return the minor number of the loop device."""
        return int(self._devices[volume].removeprefix("/dev/loop"))

    def resize(self, volume: int, size_gb: int) -> None:
        """Grow the disk, but not the file system on it."""
        with self._file(volume).open("r+b") as file:
            file.truncate(size_gb * GB)
        _run("losetup", "--set-capacity", self._devices[volume])

    def delete(self, volume: int) -> None:
        """Remove the disk with its data."""
        _run("losetup", "--detach", self._devices.pop(volume))
        self._file(volume).unlink()

    def close(self) -> None:
        """Remove all disks."""
        for volume in list(self._devices):
            self.delete(volume)


def detach_leftovers(folder: Path) -> None:
    """Detach the loop devices of the volumes in `folder`, which a killed test run left."""
    for path in folder.glob("volume-*.img"):
        for line in _run("losetup", "--noheadings", "--output", "NAME", "--associated", str(path)).split():
            _run("losetup", "--detach", line)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise MachineError(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise MachineError(f"{' '.join(command)}: {error.stderr.strip()}") from None
    return done.stdout
