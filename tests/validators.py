"""Four validators' keys, the genesis that names them, and an ABCI application over a small world, for tests without
processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from msgspec import structs

from ledger import checkpoint as c
from ledger import genesis as g
from ledger.entries import PolicyEntry
from node.cosigning.validators import Validators
from node.engine.cometbft.application import Application, Decided
from node.engine.cometbft.checker import Checker
from node.engine.cometbft.progress import Progress
from node.succession import Succession
from tests.world import LOG_SEED, ORIGIN, World, genesis, validator

NAMES = tuple(f"{ORIGIN}/validator-{number}" for number in range(1, 5))
SEEDS = tuple(sha256(name.encode()).digest() for name in NAMES)
LOG_SEEDS = (LOG_SEED, *(sha256(b"log " + name.encode()).digest() for name in NAMES[1:]))


def network_genesis() -> g.Genesis:
    validators = [validator(name, log, seed) for name, log, seed in zip(NAMES, LOG_SEEDS, SEEDS, strict=True)]
    return structs.replace(genesis(), validators=validators)


def validators_of(genesis: g.Genesis) -> Validators:
    """Those in office from the first block on, at a node that keeps no steps."""
    entry = PolicyEntry(chain=bytes(32), number=0, rules=1, validators=genesis.validators)
    return Validators(genesis.name, Succession(Path("nowhere"), genesis), entry)


SUCCESSION = Succession(Path("nowhere"), network_genesis())


def note(size: int, root: bytes, by: Sequence[int], now_ms: int, origin: str = ORIGIN) -> bytes:
    """A signed head with the cosignatures of these validators."""
    signed = c.sign_checkpoint(c.Checkpoint(origin, size, root), origin, LOG_SEED)
    for number in by:
        signed = c.cosign(signed, NAMES[number], SEEDS[number], now_ms // 1000)
    return signed


@dataclass
class Member:
    """One node's application; `world` is its ledger, and makes envelopes."""

    folder: Path
    world: World
    progress: Progress
    app: Application

    @classmethod
    def open(cls, folder: Path) -> "Member":
        world = World(folder)
        try:
            progress = Progress(folder, world.store.head)
        except BaseException:
            world.close()
            raise
        app = Application(world.store, Checker(world.chain, world.store), progress)
        return cls(folder, world, progress, app)

    def close(self) -> None:
        self.progress.close()
        self.world.close()

    def decide(self, *txs: bytes, height: int | None = None) -> Decided:
        """Finalize and commit the next block."""
        decided = self.app.finalize(height or self.app.height + 1, self.world.now, txs)
        self.app.commit()
        self.world.now += 1
        return decided
