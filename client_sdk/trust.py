"""Trust: receipts are verified against a policy, and the last checkpoint seen is pinned.

A log that is shorter than the pin, or does not extend it, has gone back or forked: nothing of it is believed,
and both checkpoints are kept as evidence (`client_sdk.evidence`). Where the validators changed, it goes on to their
successors (`ledger.succession`).
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from client_sdk import evidence
from client_sdk.errors import LogForked, NotWitnessed
from ledger import checkpoint as c
from ledger import limits, merkle, note, policy, succession, tlogproof
from ledger.errors import SuyuanError, VerifyFailed
from ledger.succession import Step

PIN_FILE: Final = "pinned-checkpoint.txt"
POLICY_FILE: Final = "policy.txt"
LEARN_AGAIN_MS: Final = 24 * 3600 * 1000


class Receipt(Struct, frozen=True):
    """A verified receipt: this envelope stands at `leaf` of the log under `checkpoint`, which the quorum of the
    policy cosigned. `earlier` says that the same envelope had been accepted before."""

    envelope_id: bytes
    leaf: int
    proof: list[bytes]
    checkpoint: bytes
    earlier: bool
    hashes: list[bytes]

    def as_tlog_proof(self) -> bytes:
        """The receipt as a C2SP tlog-proof, for anybody's tools; the envelope's id stands as its extra data."""
        return tlogproof.encode(tlogproof.TlogProof(self.leaf, self.proof, self.checkpoint, self.envelope_id))


class Trust:
    """What one reader believes of one log. `folder` keeps the pin; without one it lasts as long as the object."""

    def __init__(self, trusted: policy.Policy, folder: Path | None) -> None:
        self._folder = folder
        self.policy = self._newest_known(trusted)
        self.learn: Callable[[int], list[Step]] | None = None  # asks a node for the steps behind policy NUMBER
        self._known: dict[bytes, policy.Agreed] = {}
        self._learned_ms = 0
        self.pinned: c.Checkpoint | None = None
        self._pinned_note = b""
        if folder is not None and (folder / PIN_FILE).exists():
            self._pinned_note = (folder / PIN_FILE).read_bytes()
            self.pinned = c.parse(note.parse(self._pinned_note).text)

    def checkpoint(self, data: bytes, now_ms: int) -> c.Checkpoint:
        """The checkpoint in a note, if the policy's quorum holds now. Notes that hold are remembered while their
        cosignatures are of the last minutes, since many receipts share one."""
        known = self._known.get(data)
        if known is None or not _holds(known, now_ms):
            known = self._checked(data, now_ms)
            if len(self._known) >= 64:
                self._known.clear()
            self._known[data] = known
        return known.checkpoint

    def _checked(self, data: bytes, now_ms: int) -> policy.Agreed:
        """Under the policy at hand; where that says no, under those that lead on from it."""
        try:
            agreed = policy.check(self.policy, data, now_ms, limits.WITNESS_WINDOW_MS)
        except VerifyFailed:
            if not self._learn(now_ms):
                raise
            return policy.check(self.policy, data, now_ms, limits.WITNESS_WINDOW_MS)
        if self.is_to_ask(now_ms):
            with suppress(VerifyFailed):  # a node's nonsense says nothing against what holds
                if self._learn(now_ms):
                    return policy.check(self.policy, data, now_ms, limits.WITNESS_WINDOW_MS)
        return agreed

    def is_to_ask(self, now_ms: int) -> bool:
        """Whether a node is to be asked who follows, although all holds. Of a policy that was prolonged, or kept most
        of its validators, the old quorum still stands behind each head: so nobody would hear of its successor before
        it ends, and nobody steps on from one that has ended."""
        return self.policy.expires_ms is not None and now_ms - self._learned_ms > LEARN_AGAIN_MS

    def _learn(self, now_ms: int) -> bool:
        """Ask a node for the steps behind the policy at hand, and go on by them; whether they led on."""
        if self.learn is None:
            return False
        try:
            steps = self.learn(self.policy.number)
        except SuyuanError:
            steps = []
        return self.follow(steps, now_ms)

    def follow(self, steps: Sequence[Step], now_ms: int) -> bool:
        """Go on to the policy that steps lead to, and keep it; whether they led on. VerifyFailed where they do not
        hold."""
        self._learned_ms = now_ms
        followed = succession.follow(self.policy, steps, now_ms)
        if followed is self.policy:
            return False
        self.policy = followed
        self._known.clear()
        self._keep(POLICY_FILE, policy.format_policy(followed).encode())
        return True

    def _newest_known(self, trusted: policy.Policy) -> policy.Policy:
        """The policy kept in the folder, if it leads on from the one that the connection file names."""
        path = None if self._folder is None else self._folder / POLICY_FILE
        if path is None or not path.exists():
            return trusted
        kept = found = policy.parse_policy(path.read_text())
        while found.before is not None and found.number > trusted.number:
            found = found.before
        return kept if policy.newest(found) == policy.newest(trusted) else trusted

    def check_inclusion(self, leaf_hash: bytes, leaf: int, proof: list[bytes], data: bytes, now_ms: int) -> None:
        """An envelope's leaf stands in the log under the note. NotWitnessed where that holds but for the quorum."""
        try:
            head = self.checkpoint(data, now_ms)
        except VerifyFailed as error:
            alone = self._signed_alone(data, now_ms) if error.check == "quorum" else None
            if alone is None:
                raise
            merkle.verify_inclusion(leaf_hash, leaf, alone.size, proof, alone.root)
            raise NotWitnessed(leaf, error.message) from None
        merkle.verify_inclusion(leaf_hash, leaf, head.size, proof, head.root)

    def _signed_alone(self, data: bytes, now_ms: int) -> c.Checkpoint | None:
        """The checkpoint that the log signed and too few cosigned, whenever that was; None where enough did, if at
        another time than this clock's."""
        with suppress(VerifyFailed):
            policy.check(self.policy, data, None, limits.WITNESS_WINDOW_MS)
            return None
        log_alone = structs.replace(self.policy, quorum=None)
        return policy.check(log_alone, data, now_ms, limits.WITNESS_WINDOW_MS).checkpoint

    def advance(self, data: bytes, proof: list[bytes], now_ms: int) -> None:
        """Pin a newer checkpoint that `proof` shows to extend the pinned one; LogForked otherwise."""
        head = self.checkpoint(data, now_ms)
        if self.pinned is not None:
            self.require_extension(self._pinned_note, data, proof, now_ms)
            if head == self.pinned:
                return
        self.pinned, self._pinned_note = head, data
        self._store()

    def require_extension(self, known: bytes, data: bytes, proof: list[bytes], now_ms: int) -> None:
        """The checkpoint in `data` extends one that was believed before, `known`; LogForked otherwise."""
        head, old = self.checkpoint(data, now_ms), c.parse(note.parse(known).text)
        if head.size < old.size:
            message = f"the log went back from {old.size} to {head.size} leaves"
            raise LogForked(message, self._keep_evidence(known, data, []))
        try:
            merkle.verify_consistency(old.size, head.size, old.root, head.root, proof)
        except VerifyFailed as error:
            tried = [evidence.Tried(old.size, proof)]
            raise LogForked(str(error), self._keep_evidence(known, data, tried)) from None

    def _keep_evidence(self, known: bytes, data: bytes, tried: list[evidence.Tried]) -> Path | None:
        if self._folder is None:
            return None
        return evidence.keep(self._folder, evidence.of(self.policy, known, data, tried))

    def _store(self) -> None:
        self._keep(PIN_FILE, self._pinned_note)

    def _keep(self, name: str, data: bytes) -> None:
        """Whole or not at all, so that a crash leaves the old one or the new one. Another process of this identity
        may do the same at this moment, in a file of its own."""
        if self._folder is None:
            return
        handle, part = tempfile.mkstemp(".part", f"{name}.", self._folder)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self._folder / name)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise


def _holds(known: policy.Agreed, now_ms: int) -> bool:
    """Whether all cosignatures that counted still lie in the reader's window."""
    return all(abs(now_ms - time) <= limits.WITNESS_WINDOW_MS for time in known.times_ms.values())
