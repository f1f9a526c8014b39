"""The outbox and the subscription over a real node: days offline, a node that dies, lines that are cut."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unittest import mock

import pytest

from client_sdk import Client, build, commands, keys
from client_sdk.build import Act
from client_sdk.commands import words
from client_sdk.outbox import Outbox, Report, State
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.private import Private
from tests.network import PASSPHRASE, Network
from tests.world import DAY_MS, DEALER, LOT, MAKER, SHOP

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER, SHOP)
    for who in (MAKER, DEALER, SHOP):
        network.certify(who)
    yield network
    assert network.stop() == 0


def sale(ref: str, quantity: int = 1) -> Act:
    return build.sell(lot=LOT, quantity=quantity, ref=ref, at=clock_ms(), site=MAKER.site)


def outbox(network: Network, days: int = 0) -> Outbox:
    """The maker's outbox, `days` ago by its clock."""
    connection, identity = keys.open_folder(network.home(MAKER), PASSPHRASE)
    return Outbox(identity.folder, connection.chain_id, identity, lambda: clock_ms() - days * DAY_MS)


def send(network: Network) -> Report:
    with network.client(MAKER) as client, outbox(network) as box:
        return box.send(client)


def booked(network: Network, prefix: str) -> list[str]:
    """The maker's document lines that begin so, in the order of the log."""
    with network.client(MAKER) as client:
        refs = [one.amounts.ref for e in client.own_envelopes() for one in e.records if one.amounts is not None]
    return [ref for ref in refs if ref.startswith(prefix)]


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def suyuan(*arguments: str, fails: bool = False) -> Said:
    """A command as the shell calls it, in this process."""
    out, problems, code = io.StringIO(), io.StringIO(), 0
    given = {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "COLUMNS": "200"}
    with (
        mock.patch.object(sys, "argv", ["suyuan", *arguments]),
        mock.patch.dict(os.environ, given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(problems),
    ):
        try:
            commands.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    assert code == (1 if fails else 0), problems.getvalue()
    return Said(code, out.getvalue(), problems.getvalue())


def started(*arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "client_sdk.commands", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


class Line:
    """A line to the node that can be cut: what is connected breaks off, what calls is turned away."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._target: tuple[str, int] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def connect(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self._target = (host, int(port))

    def cut(self) -> None:
        self._target = None
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._target is None:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def through(network: Network, who: Any) -> Iterator[tuple[Line, str]]:
    """The member's node.json names a line in between; yields it and the node's own address."""
    path = network.home(who) / "node.json"
    network.certify(who)
    content = json.loads(path.read_bytes())
    line, address = Line(), content["members"]
    path.write_text(json.dumps(content | {"members": line.address}))
    try:
        yield line, address
    finally:
        line.cut()
        network.certify(who)


# The outbox


def test_days_offline_then_everything_is_booked_in_order(network: Network) -> None:
    with through(network, MAKER) as (line, address):
        with outbox(network, days=16) as box:
            first = box.add([sale("off/1"), sale("off/2")])
        with outbox(network, days=3) as box:
            second = box.add([sale(f"off/{number}") for number in range(3, 6)])
        home = ["-i", str(network.home(MAKER))]
        sold = ("--lot", LOT, "--quantity", "1", "--ref", "off/6")
        queued = json.loads(suyuan("sell", *sold, "--queue", "--json", *home).stdout)
        assert queued["entry"] == second[-1].number + 1
        shown = suyuan("outbox", *home).stdout
        assert "waits for its turn" in shown
        assert f"sold 1 of {LOT} at {MAKER.site}, line off/1" in shown
        failed = suyuan("outbox", "send", *home, "--json", fails=True)
        assert json.loads(failed.stdout)["left"] == 3
        assert "cannot be reached" in json.loads(failed.stdout)["stopped"]
        trying = started("outbox", "send", *home, "--keep-trying", "--json")
        assert trying.stderr is not None
        while "trying again" not in trying.stderr.readline():
            assert trying.poll() is None
        line.connect(address)
        out, problems = trying.communicate()
        assert trying.returncode == 0, problems
        assert json.loads(out) == {"booked": 3, "refused": 0, "private_given": 0, "left": 0}
        assert "nothing waits" in suyuan("outbox", *home).stdout
    assert booked(network, "off/") == [f"off/{number}" for number in range(1, 7)]
    with network.client(MAKER) as client:
        hashes = [one.hash for envelope in client.own_envelopes() for one in envelope.records]
    named = [name.hex() for entry in [*first, *second] for name in entry.hashes]
    assert [*named, queued["record"]] == [one.hex() for one in hashes[-6:]]


def test_a_node_that_dies_while_it_is_sent_to_books_everything_once(network: Network) -> None:
    random = Random(7)
    expected: list[str] = []
    for around in range(2):
        refs = [f"die/{around}-{number}" for number in range(40)]
        with outbox(network) as box:
            for ref in refs:
                box.add([sale(ref)])
        expected += refs
        victim = threading.Timer(random.uniform(0.05, 0.4), network.kill)
        with network.client(MAKER) as client, outbox(network) as box:
            victim.start()
            report = box.send(client)
        victim.join()
        assert report.stopped or report.booked == len(refs)
        network.start()
    assert send(network).stopped == ""
    assert booked(network, "die/") == expected


def test_a_line_that_is_cut_at_any_moment_books_everything_once(network: Network) -> None:
    """The answer is lost, the envelope is not: the outcome is asked for."""
    random = Random(3)
    refs = [f"cut/{number}" for number in range(40)]
    with through(network, MAKER) as (line, address), outbox(network) as box:
        for ref in refs:
            box.add([sale(ref)])
        line.connect(address)
        stop = threading.Event()

        def saw() -> None:
            while not stop.wait(random.uniform(0.01, 0.05)):
                line.cut()
                line.connect(address)

        sawing = threading.Thread(target=saw)
        sawing.start()
        connection, identity = keys.open_folder(network.home(MAKER), PASSPHRASE)
        for _ in range(5):
            with Client(connection, identity) as client:
                box.send(client)
        stop.set()
        sawing.join()
    assert send(network).stopped == ""
    assert booked(network, "cut/") == refs


def test_two_processes_share_an_outbox(network: Network) -> None:
    home = ["-i", str(network.home(MAKER))]
    with outbox(network) as box:
        for number in range(40):
            box.add([sale(f"two/{number}")])
        senders = [started("outbox", "send", *home, "--json") for _ in range(2)]
        box.add([sale("two/40")])
        told = [sender.communicate() for sender in senders]
    for sender, (_, problems) in zip(senders, told, strict=True):
        assert sender.returncode in (0, 1), problems
        assert "Traceback" not in problems
        assert sender.returncode == 0 or "another process is sending" in problems or "suyuan outbox" in problems
    assert send(network).stopped == ""
    assert booked(network, "two/") == [f"two/{number}" for number in range(41)]


def test_refused_records_are_explained_tried_again_and_dropped(network: Network) -> None:
    home = ["-i", str(network.home(MAKER))]
    with outbox(network) as box:
        box.add([sale("ref/1"), sale("ref/2", 10**6), sale("ref/3")])
        box.add([sale("ref/1"), sale("ref/4")])
    sent = suyuan("outbox", "send", *home, "--json", fails=True)
    assert json.loads(sent.stdout) == {"booked": 2, "refused": 2, "private_given": 0, "left": 2}
    assert booked(network, "ref/") == ["ref/1", "ref/3", "ref/4"]
    over, twice = (json.loads(line) for line in suyuan("outbox", *home, "--json").stdout.splitlines())
    assert over["problems"][0]["rule"] == "position.overdrawn"
    assert "already booked: entry" in twice["explanation"]
    suyuan("outbox", "retry", *home, str(over["entry"]))
    again = suyuan("outbox", "send", *home, "--json", fails=True)
    assert json.loads(again.stdout)["refused"] == 1
    for entry in (over, twice):
        number = json.loads(suyuan("outbox", *home, "--json").stdout.splitlines()[0])["entry"]
        assert number == entry["entry"]
        suyuan("outbox", "drop", *home, str(number), "--reason", "typed wrong")
    assert suyuan("outbox", *home, "--json").stdout == ""
    done = [json.loads(line) for line in suyuan("outbox", "done", *home, "--json").stdout.splitlines()]
    assert [one["state"] for one in done[:2]] == ["dropped", "dropped"]
    assert all(one["receipt"].startswith("c2sp.org/tlog-proof@v1") for one in done if one["state"] == "done")
    wrong = suyuan("outbox", "drop", *home, "999999", "--reason", "x", fails=True)
    assert wrong.stderr == "suyuan: the outbox has no entry 999999\n"


def test_private_openings_reach_the_node_and_the_other_party(network: Network) -> None:
    private = Private(currency="CNY", price=129_900)
    ship = build.ship(lot=LOT, quantity=1, ref="priv/1", at=clock_ms(), site=MAKER.site, to=DEALER.id)
    with network.client(MAKER) as client, outbox(network) as box:
        box.add([build.with_private(ship, private)], nodes=[client.node_info().node])
        report = box.send(client)
        assert (report.booked, report.given) == (1, 1)
        assert list(box.waiting()) == []
        entry = next(box.settled())
        assert entry.state is State.DONE
    with network.client(DEALER) as dealer:
        assert dealer.private(entry.leaf or 0, 0) == private


# The subscription


def told(text: str) -> list[tuple[str, str]]:
    return [(one["act"], one["says"]) for one in map(json.loads, text.splitlines())]


def ship(network: Network, ref: str) -> int:
    with network.client(MAKER) as maker:
        return maker.ship(lot=LOT, quantity=3, to=SHOP.id, ref=ref).leaf


def test_a_watch_goes_on_where_it_ended_without_gap_or_repeat(network: Network) -> None:
    network.certify(SHOP)
    home = ["-i", str(network.home(SHOP)), "--json"]
    suyuan("watch", *home, "--once")
    first = ship(network, "watch/1")
    ship(network, "watch/2")
    seen = told(suyuan("watch", *home, "--once").stdout)
    assert [act for act, _ in seen] == ["ship", "ship"]
    assert seen[0][1] == f"shipped 3 of {LOT} to you ({SHOP.site}), line watch/1"
    assert suyuan("watch", *home, "--once").stdout == ""
    assert told(suyuan("watch", *home, "--once", "--from", str(first)).stdout) == seen
    plain = suyuan("watch", *home[:-1], "--once", "--from", str(first)).stdout
    assert f"企业{MAKER.id[-4:]} {MAKER.id} shipped 3 of {LOT} to you" in plain
    beyond = suyuan("watch", *home, "--once", "--from", "99999999", fails=True)
    assert "beyond this log" in beyond.stderr


def test_a_live_watch_survives_a_cut_line_and_kill_dash_nine(network: Network) -> None:
    network.certify(SHOP)
    home = ["-i", str(network.home(SHOP)), "--json"]
    suyuan("watch", *home, "--once")
    place = network.home(SHOP) / "watched.json"
    with through(network, SHOP) as (line, address):
        line.connect(address)
        live = started("watch", *home)
        assert live.stdout is not None
        ship(network, "live/1")
        seen = [live.stdout.readline()]
        line.cut()
        ship(network, "live/2")
        line.connect(address)
        leaf = ship(network, "live/3")
        seen += [live.stdout.readline(), live.stdout.readline()]
        while json.loads(place.read_bytes())["leaf"] <= leaf:
            time.sleep(0.01)
        live.kill()
        live.wait()
        ship(network, "live/4")
        seen.append(suyuan("watch", *home, "--once").stdout)
    lines = [says.rsplit(" ", 1)[1] for _, says in told("".join(seen))]
    assert lines == [f"live/{number}" for number in range(1, 5)]


def test_a_place_that_cannot_be_read_is_named(network: Network, tmp_path: Path) -> None:
    suyuan("watch", "-i", str(network.home(SHOP)), "--once")
    place = network.home(SHOP) / "watched.json"
    kept = place.read_bytes()
    for content in (b"", b"{}", b'{"chain": "00", "leaf": 1}'):
        place.write_bytes(content)
        failed = suyuan("watch", "-i", str(network.home(SHOP)), "--once", fails=True)
        assert "remove it" in failed.stderr
    place.write_bytes(kept)


def test_every_act_is_told_in_plain_words() -> None:
    assert set(words.PHRASES) == set(r.RECORD_TYPES)
