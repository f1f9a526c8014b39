"""Claims: goods received from a member that has not booked its ship yet.

Claim and ship of one lot find each other in whichever order they come: what both name is a handover with two
signatures, and what only one names stays open, as a claim or as a ship.
"""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.arrival import arrive, keep_pair, pair_of, settle
from ledger.custody.goods import bring_up_unknown
from ledger.custody.step import (
    Step,
    Violation,
    adverse,
    change,
    check_measure,
    enter_position,
    give,
    known_member,
    known_site,
    lot_product,
    refuse_twice,
)
from ledger.custody.weights import fits, share, weigh
from ledger.hashing import HASH_BYTES
from ledger.limits import PAIR_OPEN_ENTRIES_MAX


def claim(step: Step, record: r.Claim, amounts: r.Moved) -> None:
    known_member(step, record.supplier, "supplier")
    if record.supplier == step.member:
        raise Violation("claim.own", "nobody supplies itself", "use a move between own sites", "supplier")
    known_site(step, record.site, record.at)
    lot_product(step, record.lot)
    refuse_twice(step.draft.get(s.claim_key(record.supplier, step.name), s.CLAIM.decode_trusted))
    bring_up_unknown(step, record.lot, record.production, record.expiry)
    grams = check_measure(step, record.lot, amounts.grams)
    pair = pair_of(step, record.supplier, step.member, record.site, record.lot)
    left, grams_left = amounts.quantity, grams
    for ship in s.names_in(pair.ships):
        if not left:
            break
        part, weight, pair = _answer(step, record, pair, ship, left, grams_left)
        left, grams_left = left - part, grams_left - weight
    if left:
        pair = _open(step, record, amounts.ref, pair, left, grams_left)
    keep_pair(step, record.supplier, step.member, record.site, record.lot, pair)


def _answer(
    step: Step, record: r.Claim, pair: s.Pair, ship: bytes, left: int, grams_left: int
) -> tuple[int, int, s.Pair]:
    """The ship came first: the claim is the receive of as much of it as both name."""
    key = s.handover_key(step.member, ship)
    handover = step.draft.get(key, s.HANDOVER.decode_trusted)
    if handover is None:
        raise ValueError(f"the pair's open ship {ship.hex()} is not open")
    part = min(handover.open, left)
    expected, weight = share(handover.grams, part, handover.open), share(grams_left, part, left)
    if not fits(step, record.lot, expected, weight):
        return 0, 0, pair  # both stay open, until one of the two corrects its weight
    bits = weigh(step, record.lot, step.member, record.site, expected, weight)
    give(step, step.member, record.site, record.lot, part, weight)
    handover = arrive(step, handover, step.element, bits)
    closed = settle(step, key, handover, part, expected)
    ships = s.without(pair.ships, ship) if closed else pair.ships
    return part, weight, structs.replace(pair, ships=ships, delivered=pair.delivered + part)


def _open(step: Step, record: r.Claim, ref: str, pair: s.Pair, quantity: int, grams: int) -> s.Pair:
    open_ones = len(pair.claims) // HASH_BYTES
    if open_ones >= PAIR_OPEN_ENTRIES_MAX:
        raise Violation(
            "claim.too-many",
            f"{open_ones} claims of {record.lot} against {record.supplier} are open at {record.site}",
            "ask the supplier to book its ships, or correct the claims",
            "lot",
        )
    own = step.element
    row = s.Claim(
        claimant=step.member, site=record.site, lot=record.lot, quantity=quantity, open=quantity, grams=grams,
        at=record.at, ref=ref, disputed=False, element=own,
    )  # fmt: skip
    step.draft.put(s.claim_key(record.supplier, step.name), row)
    step.draft.put(s.own_claim_key(step.member, step.name), record.supplier)
    change(step, step.member, record.site, record.lot, held=quantity, grams=grams, claimed=quantity)
    bits = int(e.Bit.OPEN_CLAIM)
    enter_position(step, record.lot, step.member, record.site, e.WayKind.CLAIM, b"", [own], bits)
    return structs.replace(pair, claims=pair.claims + step.name)


def close_by_ship(step: Step, record: r.Ship, handover: s.Handover) -> s.Handover:
    """Close the claims that a ship confirms, the oldest first, or the one that it names; what is left of the ship is
    an open handover. A disputed claim is closed only by name."""
    pair = pair_of(step, handover.owner, record.to, record.to_site, record.lot)
    claims = s.names_in(pair.claims)
    if record.claim is not None and record.claim not in claims:
        raise Violation(
            "claim.unknown",
            f"{record.to} has no open claim {record.claim.hex()} of {record.lot} at {record.to_site} against you",
            "list the claims against you, and ship to the site that claimed",
            "claim",
        )
    for name in claims if record.claim is None else [record.claim]:
        row = open_claim(step, handover.owner, name)
        if handover.open and (record.claim is not None or not row.disputed):
            part = min(handover.open, row.open)
            weight = share(handover.grams, part, handover.open)
            if record.claim is None and not fits(step, row.lot, weight, share(row.grams, part, row.open)):
                continue
            handover = _confirm(step, handover, name, row, part, weight)
            handover = structs.replace(handover, open=handover.open - part, grams=handover.grams - weight)
            left = s.without(pair.claims, name) if part == row.open else pair.claims
            pair = structs.replace(pair, claims=left, delivered=pair.delivered + part)
    if handover.open and len(pair.ships) < PAIR_OPEN_ENTRIES_MAX * HASH_BYTES:
        pair = structs.replace(pair, ships=pair.ships + step.name)
    keep_pair(step, handover.owner, record.to, record.to_site, record.lot, pair)
    return handover


def meet(step: Step, supplier: str, claimant: str, site: str, lot: str) -> None:
    """After a weight was corrected: open claims and open ships of a pair that fit each other now are one handover."""
    for name in s.names_in(pair_of(step, supplier, claimant, site, lot).claims):
        for ship in s.names_in(pair_of(step, supplier, claimant, site, lot).ships):
            row = step.draft.get(s.claim_key(supplier, name), s.CLAIM.decode_trusted)
            key = s.handover_key(claimant, ship)
            handover = step.draft.get(key, s.HANDOVER.decode_trusted)
            if row is not None and handover is not None and not row.disputed:
                _join(step, name, row, key, handover)


def _join(step: Step, name: bytes, row: s.Claim, key: bytes, handover: s.Handover) -> None:
    part = min(handover.open, row.open)
    weight = share(handover.grams, part, handover.open)
    if not fits(step, row.lot, weight, share(row.grams, part, row.open)):
        return
    pair = pair_of(step, handover.owner, row.claimant, row.site, row.lot)
    claims = s.without(pair.claims, name) if part == row.open else pair.claims
    handover = _confirm(step, handover, name, row, part, weight)
    closed = settle(step, key, handover, part, weight)
    ships = s.without(pair.ships, handover.ship) if closed else pair.ships
    met = s.Pair(claims, ships, pair.delivered + part)
    keep_pair(step, handover.owner, row.claimant, row.site, row.lot, met)


def open_claim(step: Step, supplier: str, name: bytes) -> s.Claim:
    row = step.draft.get(s.claim_key(supplier, name), s.CLAIM.decode_trusted)
    if row is None:
        raise ValueError(f"the pair's open claim {name.hex()} has no row")
    return row


def _confirm(step: Step, handover: s.Handover, name: bytes, row: s.Claim, part: int, weight: int) -> s.Handover:
    claimed = share(row.grams, part, row.open)
    bits = weigh(step, row.lot, row.claimant, row.site, weight, claimed)
    handover = arrive(step, handover, row.element, bits)
    reduce(step, handover.owner, name, row, part, claimed)
    return handover


def reduce(step: Step, supplier: str, name: bytes, row: s.Claim, part: int, grams: int) -> None:
    """So much of a claim is open no longer: confirmed by a ship, or corrected away."""
    if part == row.open:
        step.draft.delete(s.claim_key(supplier, name))
        step.draft.delete(s.own_claim_key(row.claimant, name))
    else:
        rest = structs.replace(row, open=row.open - part, grams=row.grams - grams)
        step.draft.put(s.claim_key(supplier, name), rest)
    stock = change(
        step, row.claimant, row.site, row.lot, claimed=-part, disputed=-part if row.disputed else 0
    )  # fmt: skip
    _show_claims(step, row, stock)


def _show_claims(step: Step, row: s.Claim, stock: s.Stock) -> None:
    """The position's own claim bits say what is open now."""
    path = e.position_path(row.lot, row.claimant, row.site)
    position = step.draft.position(path)
    if position is None:
        raise ValueError(f"the claim of {row.claimant} has no position")
    bits = position.bits & ~e.OWN_CLAIMS
    bits |= int(e.Bit.OPEN_CLAIM) if stock.claimed else 0
    bits |= int(e.Bit.DISPUTED_CLAIM) if stock.disputed else 0
    if bits != position.bits:
        step.draft.put(b"m" + path, structs.replace(position, bits=bits))


def dispute(step: Step, record: r.Dispute) -> None:
    """Moves nothing: the claim is flagged where it stands, even when its goods were sold on."""
    key = s.claim_key(step.member, record.claim)
    row = step.draft.get(key, s.CLAIM.decode_trusted)
    if row is None or (row.claimant, row.lot) != (record.claimant, record.lot):
        raise Violation(
            "claim.unknown",
            f"{record.claimant} has no open claim {record.claim.hex()} of {record.lot} against {step.member}",
            "list the claims against you; one that your own ship confirmed is settled",
            "claim",
        )
    if row.disputed:
        raise Violation(
            "claim.disputed", "you disputed this claim before", "a ship that names it settles it", "claim"
        )
    step.draft.put(key, structs.replace(row, disputed=True))
    stock = change(step, row.claimant, row.site, row.lot, disputed=row.open)
    _show_claims(step, row, stock)
    adverse(step, row.lot, row.claimant, row.site)
