"""A small file system of its own, and how to fill it."""

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

MIB = 1 << 20
DISK_BYTES = 96 * MIB


def mounted(folder: Path, size: int) -> Callable[[], object]:
    """A small file system of its own at `folder`; returns what takes it away. Skips where that is not permitted."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "suyuan-test", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    return lambda: subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, free: int) -> Path:
    """Ballast that leaves so many bytes free; none at all, if others write meanwhile."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        for size in (MIB, 4096):
            disk = os.statvfs(folder)
            for _ in range((disk.f_bavail * disk.f_frsize - free) // size):
                file.write(bytes(size))
    return ballast
