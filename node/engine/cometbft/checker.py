"""Whether the bytes, bounds, chain, keys and signatures of a transaction's envelopes hold: the same question in
CheckTx, ProcessProposal and FinalizeBlock, worked out once."""

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress

from ledger.errors import SuyuanError
from ledger.limits import CHECKED_BYTES_MAX
from ledger.plan import Checked
from node.admission import Admission, Reader
from node.engine.cometbft.transactions import name_of, unpack


class Checker:
    """Used in the engine's worker thread alone. What held is remembered by the hash of all its bytes, so of key,
    header and signature too: a key's bytes never change under its id."""

    def __init__(self, chain: bytes, reader: Reader) -> None:
        self._admission = Admission(chain, reader)
        self._known: OrderedDict[bytes, list[Checked]] = OrderedDict()
        self._bytes = 0

    def check(self, tx: bytes) -> list[Checked]:
        """The envelopes in a transaction; Malformed, Refused or Unsigned where one of them does not hold."""
        name = name_of(tx)
        known = self._known.get(name)
        if known is not None:
            return known
        checked = [self._admission.admit(wire) for wire in unpack(tx)]
        self.remember(name, checked)
        return checked

    def find(self, tx: bytes) -> list[Checked] | None:
        """The same where a block was decided already: nothing that stands in it may end the node."""
        with suppress(SuyuanError):
            return self.check(tx)
        return None

    def remember(self, name: bytes, checked: list[Checked]) -> None:
        if name in self._known:
            return
        self._known[name] = checked
        self._bytes += _size(checked)
        while self._bytes > CHECKED_BYTES_MAX:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= _size(oldest)

    def forget(self, txs: Iterable[bytes]) -> None:
        """These are in a stored block: nobody asks for them again, and unpacked they are large."""
        for tx in txs:
            self._bytes -= _size(self._known.pop(name_of(tx), []))


def _size(checked: list[Checked]) -> int:
    return sum(len(one.opened.wire) for one in checked)
