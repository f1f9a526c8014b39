"""docs/operating.md as the owners of a network follow it, who do not share a machine: founding, a newcomer, other
validators, new keys; and what readers, members and former validators see of it. Every command stands in the guide."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from client_sdk import build, keys
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from demo.localnet import founding
from ledger import checkpoint as c
from ledger import note as n
from ledger import policy as p
from ledger import records as r
from ledger import succession
from ledger.errors import VerifyFailed
from ledger.limits import WITNESS_WINDOW_MS
from ledger.proof.verify import Query, verify_product
from node.keys import LOG_KEY, VALIDATOR_KEY, load_seed
from tests.cluster.conftest import ROOT, cometbft, free_port
from tests.network import PASSPHRASE
from tests.world import FORMULA, LOT, REGULATOR

pytestmark = pytest.mark.slow

GUIDE: Final = (ROOT / "docs/operating.md").read_text().split("## A network of validators\n")[1].split("\n## ")[0]
OWNERS: Final = ("association", "customs", "regulator", "university")
NEWCOMER: Final = "port"
LOG: Final = "example.org/food"
WAIT_SECONDS: Final = 60
QUERY: Final = Query(product=FORMULA, lot=LOT.removeprefix(FORMULA))


def blocks() -> Iterator[tuple[str, list[str]]]:
    """(who, commands) of each block of the guide."""
    for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.S):
        first, *commands = block.strip().split("\n")
        yield first.removeprefix("# "), commands


class Owners:
    """Each has a folder of its own; files that the guide hands over are put into all of them."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        port = free_port(len(OWNERS) + 1)
        names = (*OWNERS, NEWCOMER)
        self.ports = {name: port + number * founding.PORTS_A_NODE for number, name in enumerate(names)}
        for name in names:
            (folder / name).mkdir()
        self.environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "PYTHONPATH": str(ROOT)}
        self.environment |= {"SUYUAN_COMETBFT_PROGRAM": str(program), "COLUMNS": "200"}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.chain = ""
        self.blocks = blocks()

    def home(self, owner: str) -> Path:
        return self.folder / owner

    def follow(self, *of: str) -> list[str]:
        """The next block of the guide, by whom it names (`of` stands for each owner); what it said."""
        who, commands = next(self.blocks)
        doers = of or {"each owner": OWNERS, "the regulator": ("regulator",), "the newcomer": (NEWCOMER,)}.get(
            who, (who,)
        )
        said = [self.type(owner, command) for owner in doers for command in commands]
        self.hand_over()
        return said

    def type(self, owner: str, command: str) -> str:
        """A command of the guide, as this owner types it."""
        for name in (owner, "customs", NEWCOMER):
            addresses = {f"{name}.example.org:26656": founding.P2P, f"{name}.example.org:7420": founding.COSIGN}
            for written, purpose in addresses.items():
                command = command.replace(written, f"127.0.0.1:{self.ports[owner] + purpose}")
            command = command.replace(f"--host {name}.example.org", "--host 127.0.0.1")
        if "--node customs" in command or ("customs-approval.json" in command and " -o " in command):
            command = command.replace("customs", owner)
        command = command.replace("HASH", self.chain)
        if command == "suyuan-node run node":
            self.start(owner)
            return ""
        done = self.run(owner, *command.split())
        assert done.returncode == 0, (owner, command, done.stdout + done.stderr)
        return done.stdout

    def run(self, owner: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        module = {"suyuan": "client_sdk.commands", "suyuan-node": "node.commands"}[program]
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, cwd=self.home(owner), env=self.environment, capture_output=True, text=True, check=False
        )

    def hand_over(self) -> None:
        """Public files, the genesis, terms and approvals: to everybody."""
        for owner in self.ports:
            home = self.home(owner)
            for made, name in (("peer.json", owner), ("peer.next.json", f"{owner}-next")):
                if (home / "node" / made).exists():
                    shutil.copy(home / "node" / made, home / f"{name}.json")
        files = (path for owner in self.ports for path in self.home(owner).glob("*.json"))
        found = {path.name: path for path in files if path.name != "connection.json"}
        for owner in self.ports:
            for name, path in found.items():
                if not (self.home(owner) / name).exists():
                    shutil.copy(path, self.home(owner) / name)

    def start(self, owner: str) -> None:
        ports = {
            "MEMBERS": founding.MEMBERS,
            "READERS": founding.READERS,
            "METRICS": founding.METRICS,
            "HTTP": founding.HTTP,
        }
        own = {f"SUYUAN_{name}_PORT": str(self.ports[owner] + purpose) for name, purpose in ports.items()}
        own["SUYUAN_HOST"] = "127.0.0.1"
        (self.home(owner) / "node/endpoints.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "node.commands", "run", "node"]
        with (self.home(owner) / "node.log").open("ab") as log:
            self.processes[owner] = subprocess.Popen(
                command, cwd=self.home(owner), env=self.environment | own, stdout=log, stderr=log
            )

    def stop(self, *owners: str) -> None:
        ending = [self.processes.pop(owner) for owner in owners if owner in self.processes]
        for process in ending:
            process.terminate()
        assert [process.wait(60) for process in ending] == [0] * len(ending)

    def restart(self, *owners: str) -> None:
        """One at a time, and each is back before the next one goes."""
        for owner in owners:
            self.stop(owner)
            self.start(owner)
            self.settled()

    def connection(self, owner: str) -> keys.Connection:
        """Of a node, as its operator writes it; its ports stay."""
        path = self.home(owner) / "connection.json"
        if path.exists():
            return keys.load_connection(path)
        done = self.run(owner, "suyuan-node", "connection", "node", "-o", "connection.json")
        assert done.returncode == 0, done.stderr
        return keys.load_connection(path)

    def head(self, owner: str) -> c.Checkpoint | None:
        """What a node shows, if the quorum of the policy that it names cosigned that."""
        try:
            with Client(self.connection(owner)) as reader:
                info, (entry, _) = reader.node_info(), reader.policy()
            found = p.of_entry(LOG, entry)
            return p.check(found, info.checkpoint, clock_ms(), WITNESS_WINDOW_MS).checkpoint
        except Exception:
            return None

    def settled(self) -> c.Checkpoint:
        """The one head that all running nodes show, with a quorum."""
        found: list[c.Checkpoint | None] = []

        def agree() -> bool:
            found[:] = [self.head(owner) for owner in self.processes]
            return None not in found and len(set(map(str, found))) == 1

        wait_until(agree, lambda: f"they do not agree: {dict(zip(self.processes, found, strict=True))}")
        assert found[0] is not None
        return found[0]

    def height(self, owner: str) -> int:
        with Client(self.connection(owner)) as reader:
            return int(reader.node_info().height)

    def text_of_policy(self, owner: str) -> p.Policy:
        return p.parse_policy((self.home(owner) / "node/policy.txt").read_text())


def wait_until(holds: Callable[[], object], trouble: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(trouble())
        time.sleep(0.2)


@pytest.fixture(scope="module")
def owners() -> Iterator[Owners]:
    program = cometbft()
    with tempfile.TemporaryDirectory(prefix="suyuan-") as folder:
        owners = Owners(Path(folder), program)
        try:
            yield owners
        finally:
            for process in owners.processes.values():
                process.kill()


def test_they_found_a_network_and_each_keeps_its_keys(owners: Owners) -> None:
    identity = ("--member", REGULATOR.id, "--name", "市场监管局", "--kind", "regulator", "--region", "CN-33")
    assert owners.run("regulator", "suyuan", "keygen", "regulator", *identity).returncode == 0
    owners.follow()
    [said] = owners.follow()
    owners.chain = re.findall(r"chain +([0-9a-f]{64})", said)[0]
    unchecked = owners.run("customs", "suyuan-node", "join", "node", "genesis.json", "association.json")
    assert unchecked.returncode == 1
    assert f"--chain {owners.chain}" in unchecked.stderr
    assert all(f"{LOG}/{name}" in unchecked.stderr for name in OWNERS)
    owners.follow()
    assert owners.settled().size == 0
    seeds = {
        load_seed(owners.home(owner) / "node/keys", name) for owner in OWNERS for name in (LOG_KEY, VALIDATOR_KEY)
    }
    assert len(seeds) == 2 * len(OWNERS)


def test_goods_are_booked(owners: Owners) -> None:
    home = owners.home("regulator")
    for command in (
        "suyuan-node connection node -o regulator/node.json",
        f"suyuan-node certify node regulator/tls.csr --member {REGULATOR.id} -o regulator/tls.crt",
    ):
        owners.type("regulator", command)
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": REGULATOR.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": 100, "ref": "SC-1", "site": f"{REGULATOR.id}/main", "production": 20251101}
    with Client.open(home / "regulator", PASSPHRASE) as member:
        acts = [build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)]
        assert member.submit(acts)[0].leaf == 0
    owners.settled()


def test_a_newcomer_fetches_the_chain_and_shows_the_same(owners: Owners) -> None:
    assert any(re.search(r"role +observer", said) for said in owners.follow())
    owners.follow()
    owners.restart("association", "customs")  # two of the four let it in
    assert owners.settled().size == 2
    assert len(owners.processes) == 5
    sell(owners, 1)
    owners.settled()


def sell(owners: Owners, quantity: int) -> None:
    with Client.open(owners.home("regulator") / "regulator", PASSPHRASE) as member:
        member.sell(lot=LOT, quantity=quantity, ref=f"LS-{clock_ms()}")


def proof_by(owners: Owners, owner: str) -> bytes:
    with Client(owners.connection(owner)) as reader:
        return reader.product_proof(QUERY.product, QUERY.lot)


def test_a_regulator_alone_replaces_nobody(owners: Owners) -> None:
    owners.follow()  # the terms
    alone = owners.run("regulator", "suyuan-node", "approve", "node", "terms.json", "-o", "alone.json")
    assert alone.returncode == 0, alone.stderr
    assert re.search(rf"joins +{LOG}/{NEWCOMER}", alone.stdout)
    assert re.search(rf"leaves +{LOG}/university", alone.stdout)
    booked = owners.run("regulator", "suyuan", "policy", "book", "terms.json", "alone.json", "-i", "regulator")
    assert booked.returncode == 1
    assert "1 of 4 validators approved, 3 are needed" in booked.stderr
    stranger = owners.run(NEWCOMER, "suyuan-node", "approve", "node", "terms.json", "-o", "mine.json")
    assert "no validator in office" in stranger.stderr


def test_validators_hand_over_and_readers_follow(owners: Owners) -> None:
    pinned, before = owners.text_of_policy("customs"), proof_by(owners, "customs")
    owners.follow()
    owners.follow()
    for owner in (*OWNERS, NEWCOMER):
        wait_until(lambda owner=owner: owners.text_of_policy(owner).number == 1, lambda: "a node lacks the step")  # type: ignore[misc]
    owners.stop("university")
    sell(owners, 2)
    owners.settled()
    for owner in (*OWNERS[:3], NEWCOMER):
        with Client(owners.connection(owner)) as reader:
            found = reader.verify(QUERY, proof_by(owners, owner))
            entry, steps = reader.policy()
        assert (found.height, entry.number, len(steps)) == (owners.height(owner), 1, 1)
        followed = succession.follow(pinned, steps, clock_ms())
        assert f"{LOG}/{NEWCOMER}" in followed.witnesses
        assert f"{LOG}/university" not in followed.witnesses
    assert verify_product(followed, QUERY, before, None).log_size < owners.settled().size
    with pytest.raises(VerifyFailed, match="a head of the past"):
        verify_product(followed, QUERY, before, clock_ms())
    with Client(owners.connection("customs")) as reader:  # who pinned the genesis's policy goes by the steps
        reader.connection = keys.Connection(**{**as_fields(reader.connection), "policy": p.format_policy(pinned)})
        assert reader.verify(QUERY, proof_by(owners, "customs")).log_size == owners.settled().size


def as_fields(connection: keys.Connection) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in connection.__struct_fields__}


def test_the_new_one_is_needed_for_a_quorum_now(owners: Owners) -> None:
    """association, customs and regulator are three of four; without customs the newcomer must vote and cosign."""
    owners.stop("customs")
    sell(owners, 3)
    head = owners.settled()
    with Client(owners.connection(NEWCOMER)) as reader:
        by = {line.name for line in n.parse(reader.node_info().checkpoint).signatures}
    assert f"{LOG}/{NEWCOMER}" in by
    owners.start("customs")
    assert owners.settled().size >= head.size


def test_a_former_validators_keys_are_worth_nothing(owners: Owners) -> None:
    """university's owner sells them: whatever they sign, readers of the policy in force refuse it."""
    folder = owners.home("university") / "node/keys"
    head, trusted = owners.settled(), owners.text_of_policy("customs")
    forged = c.Checkpoint(LOG, head.size + 2, bytes(32))
    note = c.sign_checkpoint(forged, LOG, load_seed(folder, LOG_KEY))
    note = c.cosign(note, f"{LOG}/university", load_seed(folder, VALIDATOR_KEY), clock_ms() // 1000)
    with pytest.raises(VerifyFailed, match="no signature by a key of the log"):
        p.check(trusted, note, clock_ms(), WITNESS_WINDOW_MS)
    own = c.sign_checkpoint(head, LOG, load_seed(owners.home("customs") / "node/keys", LOG_KEY))
    for owner in ("customs", "university"):
        seed = load_seed(owners.home(owner) / "node/keys", VALIDATOR_KEY)
        own = c.cosign(own, f"{LOG}/{owner}", seed, clock_ms() // 1000)
    with pytest.raises(VerifyFailed, match="quorum"):
        p.check(trusted, own, clock_ms(), WITNESS_WINDOW_MS)


def test_a_validator_changes_its_keys(owners: Owners) -> None:
    before = load_seed(owners.home("customs") / "node/keys", VALIDATOR_KEY)
    owners.follow()
    owners.follow()
    approvers = ("association", "customs", "regulator", NEWCOMER)
    for owner in approvers:
        owners.type(owner, f"suyuan-node approve node next.json -o {owner}-2.json")
    owners.hand_over()
    approvals = " ".join(f"{owner}-2.json" for owner in approvers)
    owners.type("regulator", f"suyuan policy book next.json {approvals} -i regulator")
    wait_until(lambda: owners.text_of_policy("association").number == 2, lambda: "nobody has the step")
    owners.restart("customs")
    sell(owners, 4)
    owners.settled()
    after = load_seed(owners.home("customs") / "node/keys", VALIDATOR_KEY)
    assert after != before == load_seed(owners.home("customs") / "node/keys/former-2", VALIDATOR_KEY)
    owners.stop("association")
    sell(owners, 5)
    owners.settled()  # three of four: customs votes and cosigns with the new ones
    owners.start("association")
    owners.settled()
    with pytest.raises(StopIteration):
        next(owners.blocks)


def test_whoever_comes_late_follows_the_whole_way(owners: Owners) -> None:
    """university was away since the first change: it is an observer now, and learns of the second one."""
    owners.start("university")
    owners.settled()
    wait_until(lambda: owners.text_of_policy("university").number == 2, lambda: "it lacks a step")
    for owner in (*OWNERS, NEWCOMER):
        done = owners.run(owner, "suyuan-node", "status", "node", "--json")
        assert done.returncode == 0, done.stderr
    owners.stop(*owners.processes)
    blocks = {(owners.home(owner) / "node/blocks/000001.blk").read_bytes() for owner in (*OWNERS, NEWCOMER)}
    assert len(blocks) == 1
    audited = owners.run("customs", "suyuan", "audit", "node")
    assert (audited.returncode, "FAILS" in audited.stdout) == (0, False), audited.stdout
    checked = owners.run("customs", "suyuan-node", "check", "node")
    assert "DAMAGED" not in checked.stdout, checked.stdout
