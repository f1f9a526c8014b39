"""Whose a folder is: two nodes of a network keep the same chain, and neither may get the other's keys."""

from pathlib import Path

from ledger.errors import Malformed, SuyuanError
from node import keys, peers


def require_same_node(data: Path, saved: Path, said: str) -> None:
    """SuyuanError, with what was `said` of the two, where the small files of a backup in `saved` are of another node
    than `data`: one of another name or, where a name cannot be read, one that shares no key with it. Some may differ:
    a validator's keys are renewed, and a file may be damaged."""
    names = _name(data), _name(saved)
    if None not in names:
        if names[0] != names[1]:
            raise SuyuanError(f"{said} {names[1]}, and {data} is {names[0]}: nothing was changed")
        return
    own, theirs = _seeds(data), _seeds(saved)
    if own and theirs and not own & theirs:
        advice = f"nothing was changed. If those in {data / 'keys'} are the wrong ones, move them away"
        raise SuyuanError(f"{said} a node with other keys than {data}: {advice}")


def _name(folder: Path) -> str | None:
    try:
        own = peers.own(folder)
    except (Malformed, OSError):
        return None
    return None if own is None else own.name


def _seeds(folder: Path) -> set[bytes]:
    paths = (folder / "keys" / name for name in (*keys.VALIDATORS, *keys.NETWORK))
    return {path.read_bytes() for path in paths if path.is_file()}
