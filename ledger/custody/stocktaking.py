"""What stock-taking finds out: more or less than was booked, goods that came back, goods under a wrong lot."""

from ledger import entries as e
from ledger import records as r
from ledger.custody.goods import bring_up_unknown
from ledger.custody.inforce import bits_for_another_lot
from ledger.custody.step import (
    Step,
    Violation,
    change,
    check_measure,
    enter_position,
    give,
    known_lot,
    known_member,
    known_site,
    lot_product,
    own_site,
    owner_or_keeper,
    product_of,
    take,
)
from ledger.custody.weights import tolerance_of


def count(step: Step, record: r.Count, amounts: r.Counted) -> None:
    """Found less book is what changes, so that a late count is true as of its day. Missing goods that are found
    again are no gain: they never left. Weight beyond the tolerance is one."""
    owner = owner_or_keeper(step, record.owner, record.site)
    known_member(step, owner, "owner")
    known_site(step, record.site, record.at)
    lot_product(step, record.lot)
    bring_up_unknown(step, record.lot, record.production, record.expiry)
    grams = _grams_found(step, record, amounts)
    found = amounts.found - amounts.book
    stock = step.draft.stock(owner, record.site, record.lot)
    settled = _settled(record, amounts, stock.missing)
    back = min(max(found, 0), settled)
    if found < 0 or grams < 0:
        take(step, owner, record.site, record.lot, max(0, -found), max(0, -grams), lost=max(0, -found))
    change(
        step, owner, record.site, record.lot,
        held=max(0, found), grams=max(0, grams), missing=-settled, lost=settled - back, grams_lost=-grams,
    )  # fmt: skip
    gained = max(0, -stock.grams_lost)  # by earlier counts: each within the tolerance would be a mountain together
    heavier = grams > 0 and grams + gained > tolerance_of(step, record.lot, min(amounts.book_grams or 0, stock.grams))
    new = step.draft.position(e.position_path(record.lot, owner, record.site)) is None
    if found > back or heavier or (new and grams > 0):
        bits, own = int(e.Bit.ONE_SIGNATURE), [step.element]
        enter_position(step, record.lot, owner, record.site, e.WayKind.COUNT, b"", own, bits)


def _settled(record: r.Count, amounts: r.Counted, missing: int) -> int:
    settled = amounts.missing or 0
    if settled > missing:
        raise Violation(
            "count.missing",
            f"{missing} of {record.lot} are missing at {record.site}, {settled} would be settled",
            "settle what receivers found short, and no more",
            "missing",
        )
    return settled


def _grams_found(step: Step, record: r.Count, amounts: r.Counted) -> int:
    """What was weighed less what the book said, in grams."""
    stated = [grams for grams in (amounts.book_grams, amounts.found_grams) if grams is not None]
    check_measure(step, record.lot, sum(stated) if stated else None, "found_grams")
    return (amounts.found_grams or 0) - (amounts.book_grams or 0)


def take_back(step: Step, record: r.TakeBack, amounts: r.Moved) -> None:
    """From outside the ledger, never more than went out there."""
    own_site(step, record.site, record.at)
    grams = check_measure(step, record.lot, amounts.grams)
    stock = step.draft.stock(step.member, record.site, record.lot)
    if amounts.quantity > stock.sold or grams > stock.grams_sold:
        raise Violation(
            "position.more-than-sold",
            f"{stock.sold} of {record.lot} were sold at {record.site}, {amounts.quantity} would come back",
            "check the lot number on the goods; stock from elsewhere is entered",
            "quantity",
        )
    change(
        step, step.member, record.site, record.lot,
        held=amounts.quantity, grams=grams, sold=-amounts.quantity, grams_sold=-grams,
    )  # fmt: skip
    enter_position(step, record.lot, step.member, record.site, e.WayKind.TAKE_BACK, b"", [step.element], 0)


def relabel(step: Step, record: r.Relabel, amounts: r.Moved) -> None:
    """The path and the verdict follow both lots: a hold on the mistaken one is not shaken off."""
    own_site(step, record.site, record.at)
    lot = known_lot(step, record.lot)
    product = lot_product(step, record.lot)
    if product_of(record.to_lot) != product.product:
        raise Violation(
            "relabel.other-product",
            f"{record.lot} is {product.name}, {record.to_lot} another product",
            "correct the record that named the wrong product; to make one product of another is a transform",
            "to_lot",
        )
    source = e.position_path(record.lot, step.member, record.site)
    position = step.draft.position(source)
    bring_up_unknown(step, record.to_lot, record.production, record.expiry)
    grams = check_measure(step, record.lot, amounts.grams)
    check_measure(step, record.to_lot, amounts.grams)
    bits = bits_for_another_lot(step.draft, lot, position)
    take(step, step.member, record.site, record.lot, amounts.quantity, grams, used=amounts.quantity)
    give(step, step.member, record.site, record.to_lot, amounts.quantity, grams)
    own = [step.element]
    enter_position(step, record.to_lot, step.member, record.site, e.WayKind.RELABEL, source, own, bits)
