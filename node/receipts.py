"""Signing checkpoints: the log's signature, and this node's cosignature as a validator."""

from ledger import checkpoint as c
from ledger import note as n
from ledger import signature


class CheckpointSigner:
    """Signs heads of the log `origin`; `validator` is this node's cosignature key name, `key` that key."""

    def __init__(self, origin: str, log_seed: bytes, validator: str, validator_seed: bytes) -> None:
        self.validator = validator
        self.key = n.VerifierKey(validator, n.COSIGNATURE, signature.public_key(validator_seed))
        self._origin = origin
        self._log_seed = log_seed
        self._validator_seed = validator_seed

    def sign_log(self, size: int, root: bytes) -> bytes:
        """The note over (size, root) with the log's signature alone."""
        return c.sign_checkpoint(c.Checkpoint(self._origin, size, root), self._origin, self._log_seed)

    def sign(self, size: int, root: bytes, now_ms: int) -> bytes:
        """The signed note over (size, root) with the cosignature of `now_ms`. The caller has stored, with fsync,
        the block that this head ends with."""
        return c.cosign(self.sign_log(size, root), self.validator, self._validator_seed, now_ms // 1000)
