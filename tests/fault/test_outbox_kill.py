"""A client killed at any line of the outbox: what `add` had acknowledged is in the ledger once, in order, and nothing
else is, when a fresh process has sent what was left."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from client_sdk.outbox import Outbox, State
from client_sdk.wire import OwnEnvelope
from ledger import records as r
from tests.fault.outbox_crasher import EXPECTED
from tests.network import Network
from tests.world import DEALER, MAKER

pytestmark = pytest.mark.slow


def label(record: r.Record, amounts: object) -> str:
    """N/part of a record of the scenario."""
    return record.text or "" if isinstance(record, r.Fact) else str(getattr(amounts, "ref", ""))


def by_scenario(envelopes: list[OwnEnvelope]) -> dict[str, list[tuple[str, int, int]]]:
    """(N/part, leaf, index) of what the ledger holds, by N, in its order."""
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for envelope in envelopes:
        for index, one in enumerate(envelope.records):
            named = label(one.record, one.amounts)
            found[named.split("/")[0]].append((named, envelope.leaf, index))
    return found


def test_a_client_killed_at_any_line_of_the_outbox_loses_and_doubles_nothing(tmp_path: Path) -> None:
    network = Network(tmp_path)
    network.found_with_goods(MAKER, DEALER)
    network.certify(MAKER)
    folder = tmp_path / "outboxes"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.fault.outbox_crasher", str(network.home(MAKER)), str(folder)]
    crashed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert crashed.returncode == 0, crashed.stderr
    numbers = range(1, int(crashed.stdout) + 1)
    assert len(numbers) > 300
    with network.client(MAKER) as maker:
        held = by_scenario(list(maker.own_envelopes()))
        for number in numbers:
            home, found = folder / str(number), held.get(str(number), [])
            check(home, [named for named, _, _ in found])
            if found:
                private = maker.private(*found[0][1:])
                assert private.price == number
    assert network.stop() == 0


def check(home: Path, held: list[str]) -> None:
    """The ledger holds every acknowledged `add`, and of the others all or nothing; each once, in order."""
    number, acknowledged = home.name, len((home / "acknowledged").read_bytes())
    wanted = [part for one in EXPECTED for part in one.replace("{}", number).split()]
    sizes = [0, *(len(" ".join(EXPECTED[: added + 1]).split()) for added in range(len(EXPECTED)))]
    assert held == wanted[: len(held)], number
    assert len(held) in sizes[acknowledged : acknowledged + 2], number
    with Outbox(home, chain_of(home)) as outbox:
        left = list(outbox.waiting())
    refused = [f"{number}/refused"] if len(held) > sizes[1] else []
    assert [(one.state, label(one.records[0].record, one.records[0].amounts)) for one in left] == [
        (State.REFUSED, named) for named in refused
    ], number


def chain_of(home: Path) -> bytes:
    import sqlite3

    with sqlite3.connect(home / "outbox.db") as database:
        return bytes(database.execute("SELECT chain FROM outbox").fetchone()[0])
