"""Which engine a node runs, as its settings say."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ledger.errors import Malformed
from ledger.state import policy_in
from ledger.storage.chainstore import ChainStore
from node import peers
from node.config import Settings
from node.engine import Engine
from node.engine.embedded import Embedded
from node.ports import cannot_listen, require_free
from node.receipts import CheckpointSigner
from node.succession import Succession

if TYPE_CHECKING:
    from node.post import Post

COSIGNATURES: Final = "cosignatures"


async def open_engine(
    settings: Settings,
    store: ChainStore,
    signer: CheckpointSigner,
    succession: Succession,
    clock_ms: Callable[[], int],
    post: "Post | None" = None,
) -> tuple[Engine, dict[str, str]]:
    """The engine, and where it listens: a network's also for what comes by `post`. Malformed where the settings do
    not fit the genesis, WrongSettings where they name no CometBFT of the right version, OSError where a port is
    taken."""
    if settings.engine == "cometbft":
        return await _open_cometbft(settings, store, signer, succession, clock_ms, post)
    validators = len(policy_in(store).validators)
    if validators != 1:
        found = f"the chain has {validators} validators, and the embedded engine orders alone"
        raise Malformed("node.toml", f'{found}; set engine = "cometbft"')
    envelopes, size = settings.in_flight_envelopes_max, settings.in_flight_bytes_max
    return Embedded(store, signer, succession, clock_ms, envelopes, size, settings.clock_is_right), {}


async def _open_cometbft(
    settings: Settings,
    store: ChainStore,
    signer: CheckpointSigner,
    succession: Succession,
    clock_ms: Callable[[], int],
    post: "Post | None",
) -> tuple[Engine, dict[str, str]]:
    """Imported here, so that a node by itself does not load what only a network needs."""
    from node.cosigning.cosigner import Cosigner
    from node.engine.cometbft.engine import Cometbft
    from node.engine.cometbft.home import FOLDER
    from node.engine.cometbft.intake import Intake
    from node.engine.cometbft.process import end_earlier, require_version

    await require_version(settings.cometbft_program)
    await end_earlier(settings.data.absolute() / FOLDER)
    require_free("consensus_port", settings.host, settings.consensus_port)
    intake = Intake(settings.in_flight_envelopes_max, settings.in_flight_bytes_max)
    data = settings.data.absolute()
    cosigner = Cosigner(data, signer)
    listen = f"{settings.host}:{settings.consensus_port}"
    others, program = peers.others(data), settings.cometbft_program
    engine = Cometbft(store, cosigner, succession, data, program, listen, others, clock_ms, intake)
    routes = [] if post is None else [post.receiver.route]
    try:
        port = await engine.listen(settings.host, settings.cosign_port, *routes)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise cannot_listen("cosign_port", settings.host, settings.cosign_port, why) from None
    return engine, {COSIGNATURES: f"{settings.host}:{port}"}
