"""How a node of a network stands: the figures that its metrics show, and whether it keeps up."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ledger.limits import (
    BEHIND_BLOCKS_MAX,
    COSIGNER_CLOCK_OFF_MS_MAX,
    QUORUM_OLD_MS_MAX,
    STALLED_SECONDS_MAX,
)
from node.engine import Cosigned
from node.engine.cometbft.watch import Seen


class Standing(Struct, frozen=True, kw_only=True):
    """At one moment, `now_ms`. `reasons` are why nothing is ordered, whatever the figures say; `quorum_ms` is since
    when a quorum stands behind what readers get (0: none ever did); `lag_leaves` stored here wait for theirs
    since `lag_seconds`. `voters` are the other validators, by CometBFT's id, so many of whom are needed, and so many
    `liars` may claim anything; of those in `unknown` peers/ has no file. `stalled_seconds` passed since its
    last block; `starts` counts CometBFT's starts."""

    now_ms: int
    reasons: tuple[str, ...] = ()
    seen: Seen | None = None
    peers_expected: int = 0
    voters: frozenset[str] = frozenset()
    voters_needed: int = 0
    liars: int = 0
    unknown: tuple[str, ...] = ()
    cosigned: tuple[Cosigned, ...] = ()
    clock_ahead_ms: int = 0
    quorum_ms: int = 0
    lag_leaves: int = 0
    lag_seconds: float = 0.0
    unwitnessed: int = 0
    stalled_seconds: float = 0.0
    starts: int = 0


def trouble(at: Standing) -> str:
    """Why this node orders nothing, or does not keep up; what explains the rest comes first. Empty: all is well."""
    return next((why for why in (*at.reasons, *_troubles(at)) if why), "")


def _troubles(at: Standing) -> Iterator[str]:
    seen = at.seen
    if seen is None:
        yield "CometBFT does not answer; its log is cometbft/cometbft.log"
        return
    if not seen.peers and at.peers_expected:
        yield f"CometBFT reaches none of its {at.peers_expected} peers: are they up, and is its file in their peers/?"
    if seen.catching_up:
        yield f"it catches up with the others; CometBFT stands at block {seen.height}"
    if len(seen.peers & at.voters) < at.voters_needed:
        here = f"CometBFT reaches {len(seen.peers & at.voters)} other validators"
        lacks = f"; peers/ lacks the file of {', '.join(at.unknown)}" if at.unknown else ""
        yield f"{here}, and with fewer than {at.voters_needed} nothing is ordered{lacks}"
    if abs(at.clock_ahead_ms) > COSIGNER_CLOCK_OFF_MS_MAX:
        side = "ahead of" if at.clock_ahead_ms > 0 else "behind"
        yield f"its clock is {abs(at.clock_ahead_ms) // 1000} s {side} the other validators' clocks"
    others_height = seen.height_of(at.voters, at.liars)
    if others_height - seen.height > BEHIND_BLOCKS_MAX:
        yield f"it lags behind: CometBFT stands at block {seen.height}, other validators at {others_height}"
    if seen.transactions and at.stalled_seconds > STALLED_SECONDS_MAX:
        waiting = f"{seen.transactions} transactions wait"
        yield f"{waiting}, and there was no block for {at.stalled_seconds:.0f} s (round {seen.round})"
    if at.lag_seconds > STALLED_SECONDS_MAX:
        yield f"a quorum has not cosigned its last {at.lag_leaves} leaves for {at.lag_seconds:.0f} s"
    if not at.quorum_ms:
        yield "no quorum cosigned what it shows yet"
    elif at.now_ms - at.quorum_ms > QUORUM_OLD_MS_MAX:
        yield f"the quorum's cosignatures are {(at.now_ms - at.quorum_ms) // 1000} s old"


def collect(at: Standing) -> Iterator[Metric]:
    """As Prometheus takes them. Figures of CometBFT are left out while it does not answer."""
    yield _gauge("cometbft_up", "1 while CometBFT answers", at.seen is not None)
    yield CounterMetricFamily("suyuan_cometbft_starts", "Starts of CometBFT since the node began", value=at.starts)
    yield _gauge("cometbft_peers_expected", "Peers that CometBFT should be connected with", at.peers_expected)
    if at.seen is not None:
        yield from _of_cometbft(at.seen, at.seen.height_of(at.voters, at.liars))
    yield _gauge("cosign_lag_leaves", "Leaves stored here beyond what a quorum cosigned", at.lag_leaves)
    yield _gauge("cosign_lag_seconds", "Since when the oldest of them waits", at.lag_seconds)
    yield _gauge("unwitnessed_envelopes", "Envelopes in a block whose receipt waits for the quorum", at.unwitnessed)
    yield _gauge("quorum_time_seconds", "Since when a quorum stands behind what readers get", at.quorum_ms / 1000)
    yield _gauge("clock_ahead_seconds", "By how much the clock is ahead of the others'", at.clock_ahead_ms / 1000)
    heads = GaugeMetricFamily("suyuan_cosigned_leaves", "Leaves of the newest head cosigned", labels=["validator"])
    times = GaugeMetricFamily("suyuan_cosigned_time_seconds", "When that was (Unix time)", labels=["validator"])
    for one in at.cosigned:
        heads.add_metric([one.validator], one.leaves)
        times.add_metric([one.validator], one.time_ms / 1000)
    yield heads
    yield times


def _of_cometbft(seen: Seen, others_height: int) -> Iterator[Metric]:
    yield _gauge("cometbft_height", "Height of CometBFT's last block", seen.height)
    yield _gauge("cometbft_peer_height", "The highest block that validators among its peers have", others_height)
    yield _gauge("cometbft_round", "Round in which the next block is voted on; 0 where all goes well", seen.round)
    yield _gauge("cometbft_catching_up", "1 while CometBFT fetches blocks that it missed", seen.catching_up)
    yield _gauge(
        "cometbft_block_time_seconds", "Time of CometBFT's last block (Unix time)", seen.block_time_ms / 1000
    )
    yield _gauge("cometbft_peers", "Peers that CometBFT is connected with", len(seen.peers))
    yield _gauge("cometbft_mempool_transactions", "Transactions that wait in the mempool", seen.transactions)
    yield _gauge("cometbft_mempool_bytes", "Bytes that wait in the mempool", seen.bytes)


def _gauge(name: str, about: str, value: Any) -> Metric:
    return GaugeMetricFamily(f"suyuan_{name}", about, value=float(value))
