"""No well-signed envelope, however strange, stops a node: planning answers every one with a verdict."""

import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.step import product_of
from ledger.errors import Malformed, Refused
from ledger.proof import build
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Query, verify_product, voucher_hash
from ledger.wellformed import CORRECTABLE
from tests.property.strange import BY_ID, Strange
from tests.property.test_codecs import structs_of, values_of
from tests.unit.test_audit import blocks, replay
from tests.world import (
    CASE,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOT,
    MAKER,
    POLICY,
    POWDER,
    REGULATOR,
    SHOP,
    SHRIMP,
    STORE,
    Act,
    Member,
    Sealed,
    World,
    gtin,
    member,
)

MEMBERS = (REGULATOR, MAKER, IMPORTER, STORE, DEALER, SHOP, LAB)
LOTS = (LOT, f"{FORMULA}#B2", f"{POWDER}#P1", f"{SHRIMP}@20251101", f"{CASE}#A1", f"{gtin(90)}#X", f"{FORMULA}#NEW")
SITES = (*(who.site for who in MEMBERS), f"{SHOP.id}/two", f"{member(91).id}/main")
PRODUCTS = (FORMULA, CASE, POWDER, SHRIMP, gtin(90), f"{DEALER.id}/veg")
NAMES = (*(who.id for who in MEMBERS), member(91).id)
BLOCKS, ENVELOPES = 300, 12  # of the seeded run
UNITS = ("006901234567890121", "106901234567890128")
KNOWN: dict[str, Any] = {
    "lot": LOTS, "site": SITES, "to_site": SITES, "product": PRODUCTS, "base": PRODUCTS, "member": NAMES, "to": NAMES,
    "owner": NAMES, "maker": NAMES, "supplier": NAMES, "claimant": NAMES, "to_lot": LOTS, "unit": UNITS,
}  # fmt: skip


def known(kind: type[msgspec.Struct], ships: list[bytes]) -> st.SearchStrategy[dict[str, Any]]:
    """Fields of a record or subject, identifiers mostly from this world."""
    needed: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for one in msgspec.structs.fields(kind):
        if one.name in ("amounts", "private"):
            continue
        if one.name in KNOWN:
            drawn: Any = st.sampled_from(KNOWN[one.name])
        elif one.name in ("ship", "target", "answers", "claim"):
            drawn = st.sampled_from([*ships, bytes(32)])
        elif one.name == "at":
            drawn = st.integers(1_700_000_000_000, 1_763_000_100_000)
        elif one.name in ("production", "expiry", "made_from", "made_until"):
            drawn = st.sampled_from([20251101, 20240229, 20301231])
        elif one.name == "subject":
            drawn = subjects(ships)
        elif one.name == "inputs":
            drawn = st.lists(st.sampled_from(LOTS), min_size=1, max_size=3, unique=True)
        elif one.name == "outputs":
            made = st.sampled_from(LOTS).map(lambda lot: r.Output(lot=lot, production=20251101))
            drawn = st.lists(made, min_size=1, max_size=2)
        else:
            drawn = values_of(one.type)
        (needed if one.required else optional)[one.name] = drawn
    return st.fixed_dictionaries(needed, optional=optional)


def subjects(ships: list[bytes]) -> st.SearchStrategy[r.Subject]:
    position = {"lot": st.sampled_from(LOTS), "owner": st.sampled_from(NAMES), "site": st.sampled_from(SITES)}
    kinds = r.SubjectKind
    return st.one_of(
        st.sampled_from(LOTS).map(lambda lot: r.Subject(kind=kinds.LOT, lot=lot)),
        st.fixed_dictionaries(position).map(lambda named: r.Subject(kind=kinds.POSITION, **named)),
        st.tuples(st.sampled_from([*ships, bytes(32)]), st.sampled_from(NAMES)).map(
            lambda pair: r.Subject(kind=kinds.HANDOVER, ship=pair[0], to=pair[1])
        ),
        st.sampled_from(PRODUCTS).map(lambda product: r.Subject(kind=kinds.PRODUCT, product=product)),
        st.sampled_from(NAMES).map(lambda name: r.Subject(kind=kinds.MEMBER, member=name)),
        st.sampled_from(SITES).map(lambda site: r.Subject(kind=kinds.SITE, site=site)),
    )


def amounts_of(kind: type) -> st.SearchStrategy[Any]:
    """Small quantities, which rules accept, or any."""
    shape = r.AMOUNTS[kind].kind
    few = st.integers(1, 40)
    refs = st.text(alphabet="abc", min_size=1, max_size=6)
    if shape is r.Moved:
        return st.builds(r.Moved, quantity=few, ref=refs) | structs_of(shape)
    if shape is r.Received:
        return st.builds(r.Received, accepted=few, refused=few | st.none(), ref=refs) | structs_of(shape)
    if shape is r.Counted:
        return st.builds(r.Counted, book=few, found=few, missing=few | st.none(), ref=refs) | structs_of(shape)
    if shape is r.Packed:
        return st.builds(r.Packed, quantities=st.lists(few, max_size=2), ref=refs) | structs_of(shape)
    return structs_of(shape)


@st.composite
def corrections(draw: st.DrawFn, world: World, booked: list[tuple[Member, Sealed]]) -> tuple[Member, Act]:
    """A correction of something that was accepted."""
    who, sealed = draw(st.sampled_from(booked))
    codec = r.AMOUNTS[type(r.RECORD.decode(sealed.record))]
    amounts = codec.decode(sealed.opening[16:])
    numbers = {
        name: draw(st.integers(1, 60)) for name in amounts.__struct_fields__ if type(getattr(amounts, name)) is int
    }
    return who, world.correct(sealed, draw(st.none() | st.just(numbers)))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_sequence_of_strange_acts_gets_verdicts(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "node").founded()
        try:
            ships: list[bytes] = []
            booked: list[tuple[Member, Sealed]] = []
            for _ in range(25):
                kind = data.draw(st.sampled_from(r.RECORD_TYPES))
                who = data.draw(st.sampled_from(MEMBERS))
                if kind is r.Correct and booked:
                    who, act = data.draw(corrections(world, booked))
                else:
                    amounts = data.draw(amounts_of(kind)) if kind in r.AMOUNTS else None
                    act = Act(kind, amounts, data.draw(known(kind, ships)))
                sealed = world.seal(act)
                try:
                    verdict = world.book(world.envelope(who, [sealed])).verdicts[0]
                except (Malformed, Refused):
                    continue
                if verdict.leaf is not None:
                    ships.append(sealed.hash)
                    booked += [(who, sealed)] if kind in CORRECTABLE else []
            world.verify(world.proof())
        finally:
            world.close()


@pytest.mark.parametrize("seed", range(4))
def test_after_thousands_of_strange_acts_all_that_is_promised_holds(tmp_path: Path, seed: int) -> None:
    """Every one got a verdict; quantities are conserved, an audit agrees, and what anybody holds is proven."""
    world = World(tmp_path / "node").founded()
    strange = Strange(world, seed)
    for _ in range(BLOCKS):
        strange.block(ENVELOPES)
    kinds = {kind.__name__ for kind in r.RECORD_TYPES}
    assert {kind for kind in kinds if not strange.accepted.get(kind)} == set()
    assert [finding for finding in replay(blocks(world)) if not finding.holds] == []
    for _, row in world.store.scan(b"p"):
        stock = s.STOCK.decode(row)
        assert min(getattr(stock, name) for name in stock.__struct_fields__ if name != "grams_lost") >= 0
    strange.look()
    for owner, site, lot, _ in strange.random.sample(strange.positions, 25):
        proven(world, owner, site, lot)
    world.close()


def proven(world: World, owner: str, site: str, lot: str) -> None:
    """The way to a position, opened by a voucher, where somebody ever held something there."""
    row = world.store.get(b"m" + e.position_path(lot, owner, site))
    if row is None:  # what was destroyed on receipt counts at a position that never was
        return
    voucher = sha256(row).digest()[:16]
    world.do(BY_ID[owner], world.act(r.Voucher, lot=lot, site=site, voucher=voucher_hash(voucher)))
    product = product_of(lot)
    number = lot[len(product) :]
    proof = build.product_proof(world.store.view(world.note()), product, number, (owner, site))
    shown = verify_product(POLICY, Query(product=product, lot=number, voucher=voucher), proof, world.now)
    assert shown.verdict == Verdict.UNKNOWN_CODE or shown.way[0].entry.owner == owner
