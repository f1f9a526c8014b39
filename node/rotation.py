"""New keys for a validator. They are drawn beside the old ones, and take their place at the first start after a
policy names them: until then the node goes on with the old ones, and after that the old ones sign nothing.

    DATA/keys/next/       the new keys, until they are in force
    DATA/peer.next.json   their public file, for the others and for the policy that is to name them
    DATA/keys/former-N/   those that were in force before policy N
"""

from pathlib import Path
from typing import Final

import structlog

from ledger.entries import PolicyEntry
from ledger.errors import Malformed
from node import files, keys, peers
from node.peers import Peer
from node.succession import trusted_in

NEXT: Final = "next"
NEXT_FILE: Final = "peer.next.json"
log = structlog.get_logger(__name__)


def rotate(data: Path) -> Peer:
    """Draw the next keys; the public file that is to be handed on. The same again gives the same ones. Malformed
    where the node is no validator in office."""
    own = peers.own(data)
    if own is None:
        raise Malformed(
            str(data), f"there is no {peers.OWN_FILE}: only a node of a network has keys that others approve"
        )
    if own.name not in trusted_in(data).witnesses:
        raise Malformed(str(data), f"{own.name} is no validator in office: no policy would name its keys")
    folder = data / "keys" / NEXT
    for name in keys.VALIDATORS:
        if not (folder / name).exists():
            keys.store_seed(folder, name, keys.draw_seed())
    found = keys.public(folder, own.name)
    following = peers.with_keys(own, found)
    peers.write(data / NEXT_FILE, following)
    files.sync_folder(data)
    return following


def take_next(data: Path, policy: PolicyEntry) -> None:
    """At a start: let the next keys take their place where the policy in force names them. Each step may be the last
    before a crash: a key that moved already is not moved again."""
    folder = data / "keys" / NEXT
    own = peers.own(data)
    if own is None or not (data / NEXT_FILE).exists():
        return
    following = peers.read(data / NEXT_FILE)
    if following.validator not in policy.validators:
        log.info("the next keys wait for a policy that names them", policy=policy.number)
        return
    former = data / "keys" / f"former-{policy.number}"
    former.mkdir(mode=0o700, exist_ok=True)
    for name in keys.VALIDATORS:
        if (folder / name).exists():
            if not (former / name).exists():
                files.copy(data / "keys" / name, former / name)
            (folder / name).replace(data / "keys" / name)
    (data / NEXT_FILE).replace(data / peers.OWN_FILE)
    if folder.exists():
        folder.rmdir()
    files.sync_folder(data)
    log.info("the next keys are in force", policy=policy.number)
