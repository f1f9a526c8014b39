"""Lets a client die at every line of the outbox: `python -m tests.fault.outbox_crasher IDENTITY FOLDER`.

For N = 1, 2, … until the scenario runs to its end, a child process plays it with an outbox of its own, FOLDER/N, and
dies (`os._exit`, no cleaning up) at the Nth line of the outbox's code that it executes; every few N a second child
goes on and dies at a random line. This process imports everything, opens no channel, and forks, so that a child is
cheap. Then fresh processes finish what is left. `acknowledged` in each folder counts the `add`s that returned.
"""

import os
import sys
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from msgspec import structs

import client_sdk.outbox
from client_sdk import build, keys
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.outbox import Outbox
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.private import Private
from tests.network import PASSPHRASE
from tests.world import DAY_MS, DEALER, LOT, MAKER

CODE = str(Path(client_sdk.outbox.__file__).parent)
AT_ONCE = 3
TWICE_EVERY = 8
DIED, DONE, FAILED = 3, 0, 4
LINES_MAX = 5000


def note(text: str) -> Act:
    """An act without a document line: no rule would refuse it a second time."""
    subject = r.Subject(kind=r.SubjectKind.LOT, lot=LOT)
    return build.act(r.Fact, at=clock_ms(), kind=r.FactKind.NOTE, subject=subject, text=text)


def acts(number: int) -> list[tuple[int, list[Act]]]:
    """(clock offset, acts) of each `add`: with a private opening; partly refused; expired before it is sent."""
    fields: dict[str, Any] = {"lot": LOT, "at": clock_ms(), "site": MAKER.site}
    ship = build.ship(quantity=1, ref=f"{number}/1", to=DEALER.id, **fields)
    return [
        (0, [build.with_private(ship, Private(currency="CNY", price=number)), note(f"{number}/a")]),
        (
            0,
            [
                build.sell(quantity=1, ref=f"{number}/2", **fields),
                build.sell(quantity=10**9, ref=f"{number}/refused", **fields),
                note(f"{number}/b"),
                build.sell(quantity=1, ref=f"{number}/3", **fields),
            ],
        ),
        (-15 * DAY_MS, [note(f"{number}/c"), build.sell(quantity=1, ref=f"{number}/4", **fields)]),
    ]


EXPECTED = ["{}/1 {}/a", "{}/2 {}/b {}/3", "{}/c {}/4"]
"""What the ledger holds of each `add`, in order."""


def die_at(line: int) -> None:
    """End this process at the Nth executed line of the outbox."""
    left = line

    def local(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                os._exit(DIED)
        return local

    def called(frame: FrameType, event: str, argument: object) -> Any:
        return local if frame.f_code.co_filename.startswith(CODE) else None

    sys.settrace(called)


def play(connection: keys.Connection, identity: keys.Identity, number: int) -> None:
    done = os.open(identity.folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    planned = acts(number)
    die_at(number)
    clock = [0]
    with Outbox(identity.folder, connection.chain_id, identity, lambda: clock_ms() + clock[0]) as outbox:
        for offset, added in planned:
            clock[0] = offset
            outbox.add(added)
            os.write(done, b"+")
        clock[0] = 0
        with Client(connection, identity) as client:
            outbox.send(client)


def go_on(connection: keys.Connection, identity: keys.Identity, line: int) -> None:
    die_at(line)
    finish(connection, [identity])


def finish(connection: keys.Connection, identities: list[keys.Identity]) -> None:
    with Client(connection, identities[0]) as client:
        for identity in identities:
            with Outbox(identity.folder, connection.chain_id, identity) as outbox:
                report = outbox.send(client)
            if report.stopped:
                raise AssertionError(f"{identity.folder}: {report.stopped}")


def forked(job: Any, *arguments: Any) -> int:
    child = os.fork()
    if child == 0:
        code = FAILED
        try:
            job(*arguments)
            code = DONE
        except BaseException:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        finally:
            os._exit(code)
    return child


def crash_everywhere(connection: keys.Connection, identity: keys.Identity, folder: Path) -> list[keys.Identity]:
    """Every N at once in a few children, until one reaches the end; the identities that were used."""
    used: list[keys.Identity] = []
    running: dict[int, keys.Identity] = {}
    random = Random(4)
    ended = False
    while running or not ended:
        while not ended and len(running) < AT_ONCE:
            number = len(used) + 1
            home = folder / str(number)
            home.mkdir()
            (home / "member.json").write_bytes((identity.folder / "member.json").read_bytes())
            used.append(structs.replace(identity, folder=home))
            running[forked(play, connection, used[-1], number)] = used[-1]
        child, status = os.wait()
        code, mine = os.waitstatus_to_exitcode(status), running.pop(child)
        if code not in (DIED, DONE) or len(used) > LINES_MAX:
            raise AssertionError(f"{mine.folder} ended with {code}")
        ended = ended or code == DONE
        if code == DIED and int(mine.folder.name) % TWICE_EVERY == 0:
            again = forked(go_on, connection, mine, random.randrange(1, 300))
            if os.waitstatus_to_exitcode(os.waitpid(again, 0)[1]) == FAILED:
                raise AssertionError(f"{mine.folder} failed when it went on")
    return used


def main() -> None:
    connection, identity = keys.open_folder(Path(sys.argv[1]), PASSPHRASE)
    used = crash_everywhere(connection, identity, Path(sys.argv[2]))
    for child in [forked(finish, connection, used[part::AT_ONCE]) for part in range(AT_ONCE)]:
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != DONE:
            raise AssertionError("what was left could not be finished")
    print(len(used))


if __name__ == "__main__":
    main()
