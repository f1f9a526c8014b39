"""Goods of one owner: how they come into being, change, move between own sites, and leave the ledger."""

from msgspec import structs

from ledger import entries as e
from ledger import identifiers as ids
from ledger import records as r
from ledger import state as s
from ledger.custody.inforce import bits_for_another_lot, in_force_at, refuse_in_force
from ledger.custody.step import (
    Step,
    Violation,
    answers_for,
    booked_late,
    check_measure,
    enter_position,
    give,
    known_lot,
    known_product,
    known_site,
    lot_product,
    own_site,
    owner_or_keeper,
    product_of,
    take,
)
from ledger.limits import ANCESTORS_COUNTED_MAX, ANCESTORS_SHOWN_MAX

FORMULA_CATEGORY = "129"  # food production licence category of infant formula
# A hold on an ancestor, and a maker that is late, show on the ancestor as long as they last; whether an open claim
# before was confirmed, the way shows.
LOT_INHERITS = ~(e.IN_FORCE_BEFORE | int(e.Bit.OPEN_CLAIM_BEFORE))


def commission(step: Step, record: r.Commission, amounts: r.Moved) -> None:
    product = known_product(step, product_of(record.lot))
    if not answers_for(step.member, product):
        raise Violation(
            "lot.not-maker",
            f"{product.product} is made by {product.maker or 'a maker outside'}, declared by {product.declarer}",
            "its maker, or the importer who declared it, commissions its lots; others `enter` stock",
            "lot",
        )
    own_site(step, record.site, record.at)
    old = step.draft.lot(record.lot)
    if old is not None and old.commissioner not in (product.maker, product.declarer):
        old = structs.replace(
            old, bits=int(old.bits | e.Bit.NOT_COMMISSIONED)
        )  # the maker's word replaces a repacker's
        step.draft.put(b"m" + e.lot_path(record.lot), old)
    grams = check_measure(step, record.lot, amounts.grams)
    _bring_up(step, record.lot, record.production, record.expiry, record.serials)
    give(step, step.member, record.site, record.lot, amounts.quantity, grams)
    enter_position(step, record.lot, step.member, record.site, e.WayKind.COMMISSION, b"", [step.element], 0)


def _bring_up(step: Step, lot: str, production: int, expiry: int | None, serials: bytes | None) -> e.LotEntry:
    """The lot's entry, commissioned by the signer: new, completed, or grown by a further commission."""
    old = step.draft.lot(lot)
    if old is None:
        entry = e.LotEntry(commissioner=step.member, expiry=expiry, lot=lot, production=production, serials=serials)
    elif old.bits & e.Bit.NOT_COMMISSIONED:
        entry = structs.replace(
            old,
            bits=int(old.bits & ~e.Bit.NOT_COMMISSIONED),
            commissioner=step.member,
            expiry=expiry,
            production=production,
            serials=serials,
            stated=_stated(old, production),
        )
    else:
        _same_lot(step, old, production, expiry)
        if serials is not None and old.serials is not None and serials != old.serials:
            raise Violation("lot.serials", f"{lot} has another serial list", "give one list for the lot", "serials")
        entry = structs.replace(old, serials=old.serials or serials)
    step.draft.put(b"m" + e.lot_path(lot), entry)
    return entry


def _stated(old: e.LotEntry, production: int) -> list[int]:
    """The dates stated before, by whoever brought up the lot: a recall by date covers it by any of them."""
    if old.production in (None, production) or old.production in old.stated:
        return old.stated
    return [*old.stated, old.production]


def _same_lot(step: Step, old: e.LotEntry, production: int, expiry: int | None) -> None:
    if old.commissioner != step.member:
        raise Violation(
            "lot.known", f"{old.lot} was commissioned by {old.commissioner}", "check the lot number", "lot"
        )
    if old.production != production or old.expiry != expiry:
        # The rule compares with what is stated now; `correct` is how its maker mends a date.
        until = f"expiry {old.expiry}" if old.expiry is not None else "no expiry"
        raise Violation(
            "lot.other-date",
            f"{old.lot} was commissioned with production date {old.production} and {until}",
            "state the same dates; to tell two productions under one number apart, add the date to the lot number",
            "production",
        )


def transform(step: Step, record: r.Transform, amounts: r.Transformed) -> None:
    own_site(step, record.site, record.at)
    bits, ancestors = _use_inputs(step, record, amounts)
    _check_outputs(step, record, amounts)
    if weighs_more(step, record, amounts):
        bits |= e.Bit.MORE_OUT_THAN_IN
    if ancestors > ANCESTORS_SHOWN_MAX:
        bits |= e.Bit.ANCESTRY_IN_PART
    weighed = amounts.grams_out or [0] * len(record.outputs)
    for output, quantity, grams in zip(record.outputs, amounts.outputs, weighed, strict=True):
        _make_output(step, record, output, quantity, grams, int(bits), ancestors)


def _use_inputs(step: Step, record: r.Transform, amounts: r.Transformed) -> tuple[int, int]:
    """Take the inputs out; (bits of the goods, ancestors)."""
    bits, ancestors = 0, 0
    weighed = amounts.grams_in or [0] * len(record.inputs)
    for lot, quantity, stated in zip(record.inputs, amounts.inputs, weighed, strict=True):
        entry = known_lot(step, lot)
        position = step.draft.position(e.position_path(lot, step.member, record.site))
        product = lot_product(step, lot)
        refuse_in_force(step, entry, product, position, record.at)
        grams = check_measure(step, lot, stated or None, "grams_in")
        irregular = quantity if is_past_date(entry, record.at) else 0
        take(step, step.member, record.site, lot, quantity, grams, used=quantity, irregular=irregular)
        bits |= bits_for_another_lot(step.draft, entry, position)
        ancestors = min(ancestors + 1 + (entry.ancestors or 0), ANCESTORS_COUNTED_MAX)
    return bits, ancestors


def _check_outputs(step: Step, record: r.Transform, amounts: r.Transformed) -> None:
    """Each is weighed if it must be. Whoever answers for a product makes its lots, or a stranger's ingredients and
    dates would stand in them; where nobody does, whoever repacks, but infant formula its maker only."""
    weighed = amounts.grams_out or [0] * len(record.outputs)
    for output, stated in zip(record.outputs, weighed, strict=True):
        product = known_product(step, product_of(output.lot))
        ownerless = product.maker is None and product.declared_by == r.DeclaredBy.HOLDER
        formula = product.category == FORMULA_CATEGORY
        if step.member != product.maker if formula else not (ownerless or answers_for(step.member, product)):
            raise Violation(
                "lot.not-maker",
                f"{product.product} is made and packed by {product.maker or product.declarer}",
                "ask the maker, or make a product of your own",
                "outputs",
            )
        check_measure(step, output.lot, stated or None, "grams_out")


def weighs_more(step: Step, record: r.Transform, amounts: r.Transformed) -> bool:
    """Whether more came out than went in, by weight, where the weight of the inputs is known."""
    went_in = _weight(step, record.inputs, amounts.inputs, amounts.grams_in)
    came_out = _weight(step, [made.lot for made in record.outputs], amounts.outputs, amounts.grams_out)
    return 0 < went_in < came_out


def _weight(step: Step, lots: list[str], quantities: list[int], weighed: list[int] | None) -> int:
    """In grams: as weighed, else by the product's net weight, if it states one."""
    total = 0
    for lot, quantity, grams in zip(lots, quantities, weighed or [0] * len(lots), strict=True):
        total += grams or quantity * (lot_product(step, lot).grams or 0)
    return total


def _make_output(
    step: Step, record: r.Transform, output: r.Output, quantity: int, grams: int, bits: int, ancestors: int
) -> None:
    known = step.draft.lot(output.lot)
    product = known_product(step, product_of(output.lot))
    made = known is not None and (known.parents or not known.bits & e.Bit.NOT_COMMISSIONED)
    if made or (known is not None and not answers_for(step.member, product)):
        raise Violation("lot.known", f"{output.lot} exists already", "give each output a lot of its own", "outputs")
    entry = _bring_up(step, output.lot, output.production, output.expiry, None)
    entry = structs.replace(
        entry, ancestors=ancestors, bits=int(entry.bits | bits & LOT_INHERITS), parents=list(record.inputs)
    )
    step.draft.put(b"m" + e.lot_path(output.lot), entry)
    give(step, step.member, record.site, output.lot, quantity, grams)
    own = [step.element]
    enter_position(step, output.lot, step.member, record.site, e.WayKind.TRANSFORM, b"", own, bits)


def enter(step: Step, record: r.Enter, amounts: r.Moved) -> None:
    product = known_product(step, product_of(record.lot))
    if product.closed and step.member != product.maker:
        raise Violation(
            "product.closed",
            f"the maker of {product.product} lets it come only from suppliers on the ledger",
            "receive it from your supplier's ship",
            "lot",
        )
    known_site(step, record.site, record.at)
    bits = e.Bit.ONE_SIGNATURE
    if not bring_up_unknown(step, record.lot, record.production, record.expiry).bits & e.Bit.NOT_COMMISSIONED:
        bits |= e.Bit.REENTRY
    grams = check_measure(step, record.lot, amounts.grams)
    give(step, step.member, record.site, record.lot, amounts.quantity, grams)
    enter_position(step, record.lot, step.member, record.site, e.WayKind.ENTER, b"", [step.element], int(bits))


def bring_up_unknown(step: Step, lot: str, production: int | None, expiry: int | None) -> e.LotEntry:
    """The lot's entry; one that nobody commissioned yet is brought up as such, so that a late maker blocks nobody."""
    entry = step.draft.lot(lot)
    if entry is None:
        unknown = int(e.Bit.NOT_COMMISSIONED)
        entry = e.LotEntry(bits=unknown, expiry=expiry, lot=lot, production=production or ids.lot_day(lot))
        step.draft.put(b"m" + e.lot_path(lot), entry)
    return entry


def move(step: Step, record: r.Move, amounts: r.Moved) -> None:
    own_site(step, record.site, record.at)
    own_site(step, record.to_site, record.at, "to_site")
    source = e.position_path(record.lot, step.member, record.site)
    position = step.draft.position(source)
    grams = check_measure(step, record.lot, amounts.grams)
    take(step, step.member, record.site, record.lot, amounts.quantity, grams, shipped=amounts.quantity)
    give(step, step.member, record.to_site, record.lot, amounts.quantity, grams)
    bits = e.passed_on(position.bits) if position is not None else 0
    enter_position(step, record.lot, step.member, record.to_site, e.WayKind.MOVE, source, [step.element], bits)


def sell(step: Step, record: r.Sell, amounts: r.Moved) -> None:
    irregular = amounts.quantity if is_irregular(step, record.lot, step.member, record.site, record.at) else 0
    grams = check_measure(step, record.lot, amounts.grams)
    quantity = amounts.quantity
    take(
        step,
        step.member,
        record.site,
        record.lot,
        quantity,
        grams,
        sold=quantity,
        grams_sold=grams,
        irregular=irregular,
    )


def is_irregular(step: Step, lot: str, owner: str, site: str, at: int) -> bool:
    """Whether it goes out after expiry, under a hold, or booked late: taken, because it happened, and counted."""
    entry = step.draft.lot(lot)
    if entry is None:
        return False  # nothing is held of an unknown lot, and `take` says so
    if is_past_date(entry, at) or booked_late(at, step.time):
        return True
    product = lot_product(step, lot)
    position = step.draft.position(e.position_path(lot, owner, site))
    return in_force_at(step.draft, entry, product, position, at)


def is_past_date(lot: e.LotEntry, at: int) -> bool:
    return lot.expiry is not None and day_of(at) > lot.expiry


def day_of(time_ms: int) -> int:
    """The date in China (UTC+8, without summer time) as the number YYYYMMDD; proleptic Gregorian.

    By integer arithmetic, so that no library's calendar or time-zone table takes part in a rule.
    """
    days = (time_ms + 8 * 3_600_000) // 86_400_000 + 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year * 10_000 + month * 100 + day


def destroy(step: Step, record: r.Destroy, amounts: r.Moved) -> None:
    owner = owner_or_keeper(step, record.owner, record.site)
    grams = check_measure(step, record.lot, amounts.grams)
    take(step, owner, record.site, record.lot, amounts.quantity, grams, destroyed=amounts.quantity)


def voucher(step: Step, record: r.Voucher) -> None:
    path = e.position_path(record.lot, step.member, record.site)
    position = step.draft.position(path)
    if position is None:
        raise Violation(
            "position.unknown",
            f"{step.member} never held {record.lot} at {record.site}",
            "a voucher belongs to a position of your own",
            "lot",
        )
    if step.draft.get(b"v" + record.voucher, s.OPENS.decode_trusted) is not None:
        raise Violation("voucher.known", "this voucher opens a position already", "draw a new one", "voucher")
    # The row of one that it replaces stays, or a stranger could let an old label lead to goods of his own.
    step.draft.put(b"v" + record.voucher, s.Opens(record.lot, step.member, record.site))
    step.draft.put(b"m" + path, structs.replace(position, voucher=record.voucher))
