"""CometBFT's process, a child of the node: started again when it ends, and stopped before the node leaves."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import structlog

from ledger.errors import SuyuanError, WriteFailed
from node.engine.cometbft.home import RPC_SOCKET
from node.errors import WrongSettings

VERSION: Final = "0.39.4"
AGAIN_SECONDS: Final = 1.0
LIVES_SECONDS_MIN: Final = 10.0  # shorter lives, so many in a row, mean that it cannot run
SHORT_LIVES_MAX: Final = 5
STOP_SECONDS: Final = 3.0  # within the grace that clients' calls get, so that they hear of it
ENDS_SECONDS: Final = 0.1
LOG: Final = "cometbft.log"
LOG_BYTES_MAX: Final = 16 * 1024 * 1024  # beyond it, the next start begins it anew
PID: Final = "cometbft.pid"
MEMORY: Final = {"GOMEMLIMIT": "256MiB", "GOGC": "50"}
INSTALL: Final = 'scripts/cometbft builds it and prints its path; name that in node.toml: cometbft_program = "…"'
WORDS_BYTES: Final = 65_536
FAILED_CHARS_MAX: Final = 500
FAILED: Final = b"CONSENSUS FAILURE!!!"
DAMAGED: Final = (
    "If its disk is full, make room; if its store is damaged, fetch the chain anew from the other validators: "
    "suyuan-node resync"
)
log = structlog.get_logger(__name__)


class CannotRun(SuyuanError):
    """CometBFT does not run, and trying again would not help."""


async def require_version(program: Path) -> None:
    """WrongSettings where the program is missing, or another version than the one that this node was made for."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, "version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        said = (await process.communicate())[0].decode(errors="replace").strip()
    except OSError as error:
        raise WrongSettings(f"setting cometbft_program: {program}: {error.strerror}. {INSTALL}") from None
    if said != VERSION:
        found = f"{program} is version {said[:40]!r}, this node needs {VERSION}"
        raise WrongSettings(f"setting cometbft_program: {found}. {INSTALL}")


class Process:
    """CometBFT in `home`. `starts` counts; before each one, with no process running, `prepare` is called."""

    def __init__(self, program: Path, home: Path, prepare: Callable[[], None] = lambda: None) -> None:
        self._program, self._home, self._prepare = program, home, prepare
        self._running: asyncio.subprocess.Process | None = None
        self._asked_to_end = False
        self.starts = 0

    async def keep_running(self) -> None:
        """Until cancelled, and then CometBFT has ended too. CannotRun where it ends again and again."""
        loop, short = asyncio.get_running_loop(), 0
        await end_earlier(self._home)
        while True:
            began = loop.time()
            self._prepare()
            self.starts += 1
            code = await self._run()
            if self._asked_to_end:
                self._asked_to_end = False
                continue
            short = short + 1 if loop.time() - began < LIVES_SECONDS_MIN else 0
            log.error("CometBFT ended", exit_code=code, log=str(self._home / LOG))
            if short >= SHORT_LIVES_MAX:
                said = f"CometBFT ended {short} times within seconds of its start; read {self._home / LOG}"
                raise CannotRun(f"{said}. {DAMAGED}")
            await asyncio.sleep(AGAIN_SECONDS)

    async def start_again(self) -> None:
        """End it, if it runs; `keep_running` starts it at once."""
        if self._running is not None and self._running.returncode is None:
            self._asked_to_end = True
            await _end(self._running)

    async def _run(self) -> int:
        said, home = self._home / LOG, self._home
        mode = "ab" if said.exists() and said.stat().st_size < LOG_BYTES_MAX else "wb"
        environment = {**os.environ, **{name: os.environ.get(name, value) for name, value in MEMORY.items()}}
        (home / RPC_SOCKET).unlink(missing_ok=True)  # a killed process leaves it, and then nobody can listen there
        command, pipe = (self._program, "start", "--home", "."), asyncio.subprocess.PIPE
        with said.open(mode, buffering=0) as output:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment, cwd=home
            )
            self._running = process
            listening = asyncio.create_task(_listen(process, output))
            try:
                _note(home / PID, process.pid)
                return await process.wait()
            finally:
                await _end(process)
                await listening
                for name in (PID, RPC_SOCKET):
                    (home / name).unlink(missing_ok=True)


def _note(path: Path, pid: int) -> None:
    try:
        path.write_text(f"{pid}\n")
    except OSError as error:
        raise WriteFailed(str(path), error.strerror or str(error)) from error


async def _listen(process: asyncio.subprocess.Process, output: IO[bytes]) -> None:
    """Its words go into its log until it ends. Where its consensus fails, because of a full disk or another history,
    it runs on without any: then it is ended."""
    before, reader = b"", process.stdout
    while reader is not None and (words := await reader.read(WORDS_BYTES)):
        with suppress(OSError):  # a full disk costs words, and nothing else
            output.write(words)
        if FAILED in before + words and process.returncode is None:
            log.error(
                "CometBFT's consensus failed; it is ended", said=words.decode(errors="replace")[:FAILED_CHARS_MAX]
            )
            process.kill()
        before = words[-len(FAILED) :]


async def end_earlier(home: Path) -> None:
    """A killed node leaves its CometBFT behind, which ends when it sees that; until then it holds port and store."""
    try:
        pid = int((home / PID).read_text())
        while os.path.samefile(f"/proc/{pid}/cwd", home):
            log.warning("CometBFT of an earlier run is still there; it is killed", pid=pid)
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(ENDS_SECONDS)
    except (OSError, ValueError):
        return  # it is gone, or another program has its number


async def _end(process: asyncio.subprocess.Process) -> None:
    """In order, if it does so within a bounded time."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.error("CometBFT does not end; it is killed", pid=process.pid)
        process.kill()
        await process.wait()
