"""A node that lies, or whose clock is wrong: `python -m tests.cluster.faulty DATA` runs it in place of `suyuan-node`.
The file DATA.faults says at any moment what is wrong with it, in words `NAME` or `NAME=VALUE`:

clock=SECONDS    its clock is ahead by so much
altered          one bit of each product proof is another
misplaced        one bit of each receipt's inclusion proof is another
hides            product proofs leave the newest adverse fact of each chain out
mixed            product proofs of the state when this began, under the newest checkpoint
old              it shows the checkpoint of when this began, with proofs that fit, and cosigns it freshly
fork             it shows a checkpoint of its own, signed by itself
forgets          it leaves out the first transaction of each block that was decided
proposes=FILE    its proposals begin with the transactions in FILE (hexadecimal), and it votes for whatever comes
"""

import copy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from msgspec import structs

from ledger import checkpoint
from ledger import entries as e
from ledger.proof.build import product_proof
from ledger.proof.format import PROOF, ShownChain
from ledger.storage.chainstore import ChainStore, ChainView
from ledger.tiles import LogTree
from node import commands
from node.app import App
from node.engine.cometbft.application import Application, Decided
from node.keys import VALIDATOR_KEY, load_seed
from node.run import signer_of


class Faults:
    def __init__(self, data: Path) -> None:
        self._file = data.with_suffix(".faults")

    def get(self, name: str) -> str | None:
        try:
            words = self._file.read_text().split()
        except FileNotFoundError:
            return None
        return dict(word.partition("=")[::2] for word in words).get(name)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


def flipped(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def shift_clock(faults: Faults) -> None:
    right = time.time_ns

    def now_ns() -> int:
        return right() + int(faults.get("clock") or 0) * 10**9

    time.time_ns = now_ns
    time.time = lambda: now_ns() / 10**9


def lie_in_proofs(faults: Faults) -> None:
    honest_receipt, honest_product, random, began = ChainStore.inclusion_proof, App.proof_at, Random(1), Began(faults)

    def inclusion(self: ChainStore, index: int, tree: LogTree) -> list[bytes]:
        proof = honest_receipt(self, index, tree)
        return [flipped(proof[0], random), *proof[1:]] if "misplaced" in faults and proof else proof

    def product(self: App, view: ChainView, product: str, lot: str, position: tuple[str, str] | None) -> bytes:
        proof = honest_product(self, view, product, lot, position)
        if "altered" in faults:
            return flipped(proof, random)
        if "hides" in faults:
            return without_newest(proof)
        earlier = began.view("mixed", view)
        if earlier is not view:
            mixed = copy.copy(earlier)
            mixed.note, mixed.header, mixed._header_proof = view.note, view.header, view.header_proof()
            return product_proof(mixed, product, lot, position)
        return proof

    ChainStore.inclusion_proof = inclusion  # type: ignore[method-assign]
    App.proof_at = product  # type: ignore[method-assign]


def without_newest(proof: bytes) -> bytes:
    decoded = PROOF.decode(proof)

    def shorter(chain: ShownChain) -> ShownChain:
        return structs.replace(chain, elements=chain.elements[:-1]) if chain.name == e.CHAIN_ADVERSE else chain

    return PROOF.encode(structs.replace(decoded, chains=[shorter(chain) for chain in decoded.chains]))


class Began:
    """The version that was the newest when a fault began."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._views: dict[str, ChainView] = {}

    def view(self, fault: str, newest: ChainView) -> ChainView:
        if fault not in self._faults:
            self._views.pop(fault, None)
            return newest
        return self._views.setdefault(fault, newest)


def lie_about_the_head(faults: Faults, data: Path) -> None:
    began = Began(faults)

    def view(self: App) -> ChainView:
        newest = self.engine.view
        shown, now_ms = copy.copy(began.view("old", newest)), time.time_ns() // 1_000_000
        if "old" in faults:
            seed = load_seed(data / "keys", VALIDATOR_KEY)
            shown.note = checkpoint.cosign(shown.note, self.name, seed, now_ms // 1000)
        if "fork" in faults:
            shown.note = signer_of(self.store, data).sign(shown.head.log.size, bytes(32), now_ms)
        return newest if shown.checkpoint == newest.checkpoint else shown

    App.view = App.shown = property(view)  # type: ignore[assignment,method-assign]


def propose_badly(faults: Faults) -> None:
    honest_prepare, honest_process = Application.prepare, Application.process

    def prepare(self: Application, txs: Sequence[bytes], bytes_max: int) -> list[bytes]:
        source = faults.get("proposes")
        bad = [] if source is None else [bytes.fromhex(line) for line in Path(source).read_text().split()]
        return bad + honest_prepare(self, txs, bytes_max - sum(map(len, bad)))

    def process(self: Application, txs: Sequence[bytes]) -> str:
        return "" if "proposes" in faults else honest_process(self, txs)

    Application.prepare = prepare  # type: ignore[method-assign]
    Application.process = process  # type: ignore[method-assign]


def forget(faults: Faults) -> None:
    honest = Application.finalize

    def finalize(self: Application, height: int, time_ms: int, txs: Sequence[bytes]) -> Decided:
        return honest(self, height, time_ms, [b"", *txs[1:]] if txs and "forgets" in faults else txs)

    Application.finalize = finalize  # type: ignore[method-assign]


def main() -> None:
    data = Path(sys.argv[1])
    faults = Faults(data)
    shift_clock(faults)
    lie_in_proofs(faults)
    lie_about_the_head(faults, data)
    propose_badly(faults)
    forget(faults)
    sys.argv = ["suyuan-node", "run", str(data)]
    commands.main()


if __name__ == "__main__":
    main()
