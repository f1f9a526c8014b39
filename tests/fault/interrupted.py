"""A command of the node that is killed at its n-th step, in a process of its own: a step is whatever makes, removes,
renames or opens a file for writing. What was written before and not flushed is lost with the process."""

import multiprocessing
import os
import sys
from typing import Any

from node import commands

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_STEPS = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod"}
KILLED = 9


def _run(arguments: list[str], step: int) -> None:
    count = 0

    def watch(event: str, details: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(details[2], int) and details[2] & _WRITES and details[0] != os.devnull
        if event in _STEPS or writes:
            count += 1
            if count == step:
                os._exit(KILLED)

    sys.argv = ["suyuan-node", *arguments]
    sys.addaudithook(watch)
    commands.main()


def killed_at(step: int, *arguments: str) -> bool:
    """Whether `suyuan-node ARGUMENTS` was killed at this step; False where it ended well before."""
    process = _FORKS.Process(target=_run, args=(list(arguments), step))  # type: ignore[attr-defined]
    process.start()
    process.join()
    assert process.exitcode in (0, KILLED), process.exitcode
    return bool(process.exitcode == KILLED)


def ends_well(*arguments: str) -> bool:
    process = _FORKS.Process(target=_run, args=(list(arguments), 0))  # type: ignore[attr-defined]
    process.start()
    process.join()
    return process.exitcode == 0
