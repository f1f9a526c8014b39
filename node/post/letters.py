"""What travels between two nodes: private openings, and which of them were taken. docs/formats/letter.md has the
bytes.

Both ways it is sealed with NaCl's box (X25519, XSalsa20, Poly1305) from the sender's `openings` key to the
receiver's, so nobody between them reads or alters it, and plain HTTP may carry it. One pair of keys makes one secret
for both directions; so the names of both stand inside, or a letter could be turned round.
"""

from typing import Annotated, Final, TypeVar

from msgspec import Meta, Struct
from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey

from ledger.encoding import Codec
from ledger.fields import Name, Text
from ledger.limits import INTEGER_MAX, OPENING_BYTES_MAX, PEER_LETTER_BYTES_MAX, PEER_OPENINGS_ENTRIES_MAX
from node.errors import Forbidden
from node.peers import Peer

NONCE_BYTES: Final = Box.NONCE_SIZE
Number = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
Opening = tuple[Number, Number, Annotated[bytes, Meta(max_length=OPENING_BYTES_MAX)]]
"""(leaf index, record index, opening)"""


class Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Openings that the receiver is to keep."""

    openings: Annotated[list[Opening], Meta(min_length=1, max_length=PEER_OPENINGS_ENTRIES_MAX)]
    receiver: Name
    sender: Name


class Taken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The answer to the letter with this nonce: the places, (leaf, record index), of what need not be given again;
    and why the others are to be given later."""

    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    receiver: Name
    sender: Name
    taken: Annotated[list[tuple[Number, Number]], Meta(max_length=PEER_OPENINGS_ENTRIES_MAX)]
    why: Text | None = None


class Letter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sealed message, and in the clear whose key opens it."""

    box: Annotated[bytes, Meta(max_length=PEER_LETTER_BYTES_MAX)]
    sender: Name


LETTER: Final[Codec[Letter]] = Codec(Letter, "letter")
GIVEN: Final[Codec[Given]] = Codec(Given, "openings")
TAKEN: Final[Codec[Taken]] = Codec(Taken, "answer")
M = TypeVar("M", Given, Taken)


class Desk:
    """Seals and opens what `own` and one other node write to each other; `key` is that of own's `openings`."""

    def __init__(self, key: PrivateKey, own: str, peer: Peer) -> None:
        self._own, self._peer = own, peer.name
        try:
            self._box = Box(key, PublicKey(peer.openings))
        except CryptoError as error:
            raise Forbidden(f"the openings key in {peer.name}'s public file is none: {error}") from None

    def give(self, openings: list[tuple[int, int, bytes]]) -> Letter:
        given = Given(openings=openings, receiver=self._peer, sender=self._own)
        return Letter(box=self._seal(GIVEN.encode(given)), sender=self._own)

    def answer(self, letter: Letter, taken: list[tuple[int, int]], why: str | None) -> bytes:
        nonce = letter.box[:NONCE_BYTES]
        return self._seal(
            TAKEN.encode(Taken(nonce=nonce, receiver=self._peer, sender=self._own, taken=taken, why=why))
        )

    def given(self, letter: Letter) -> Given:
        """What a letter of the other node holds; Forbidden where it is not from it and for this node, Malformed where
        it is something else."""
        return self._addressed(GIVEN.decode(self._open(letter.box)))

    def taken(self, letter: Letter, answer: bytes) -> Taken:
        """What the other node says to a letter; errors as above."""
        found = self._addressed(TAKEN.decode(self._open(answer)))
        if found.nonce != letter.box[:NONCE_BYTES]:
            raise Forbidden(f"{self._peer} answers another letter")
        return found

    def _addressed(self, message: M) -> M:
        if (message.sender, message.receiver) != (self._peer, self._own):
            found = f"from {message.sender} for {message.receiver}"
            raise Forbidden(f"a letter {found}, where one from {self._peer} for {self._own} is expected")
        return message

    def _seal(self, data: bytes) -> bytes:
        return bytes(self._box.encrypt(data))

    def _open(self, box: bytes) -> bytes:
        try:
            return bytes(self._box.decrypt(box))
        except CryptoError:
            raise Forbidden(
                f"it does not open with the keys of {self._peer} and {self._own}: one of them has another public "
                "file of the other, or it was altered on its way"
            ) from None
