"""Private openings on their way from node to node, sealed for the one that is to have them: `letters` says what
travels, `sender` gives what waits in the private store, `receiver` takes what other nodes give."""

from pathlib import Path

from msgspec import Struct

from ledger.storage.chainstore import ChainStore
from node import keys, peers
from node.disk import Disk
from node.post.receiver import Receiver
from node.post.sender import Sender
from node.private import PrivateStore


class Post(Struct, frozen=True):
    """Both ways, as a node of a network has them."""

    sender: Sender
    receiver: Receiver


def open_post(data: Path, store: ChainStore, private: PrivateStore, disk: Disk) -> Post:
    """Made in the event loop that it runs in; Malformed where the node's keys or its public file do not hold."""
    own, key = peers.read(data / peers.OWN_FILE).name, keys.openings_key(data / "keys")
    return Post(Sender(data, own, key, private), Receiver(data, own, key, store, private, disk))
