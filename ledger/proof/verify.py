"""Verifying a product proof, in the order of DESIGN.md's "Proof of a product".

The verifier believes a policy and the code that was scanned, and nothing that the proof says of itself.
Steps 1 and 2 are here and in `ledger.succession`; 3 to 5 are `evidence` and `subjects`, 6 is `way`, 7 is `verdict`.
"""

from msgspec import Struct

from ledger import entries as e
from ledger import limits, mapproof, policy, succession
from ledger.custody.goods import day_of
from ledger.errors import Malformed, VerifyFailed
from ledger.hashing import TAG_VOUCHER, digest
from ledger.identifiers import site_keeper
from ledger.proof import format as f
from ledger.proof.evidence import Evidence
from ledger.proof.subjects import Noted, Subjects
from ledger.proof.verdict import Finding, Verdict, worst
from ledger.proof.way import Name, Position, follow


class Query(Struct, frozen=True, kw_only=True):
    """What was scanned: the trade item's code (any level), the lot (`#L1` or `@20260101`), and what opens the
    way: a voucher (16 bytes), or the site of a public shop. Neither: the code alone."""

    product: str
    lot: str
    voucher: bytes | None = None
    site: str | None = None


class Product(Struct, frozen=True):
    """What a proof proves. `as_of_ms` is the time of the oldest cosignature that counted."""

    verdict: Verdict
    findings: list[Finding]
    as_of_ms: int
    log_size: int
    height: int
    lots: list[e.LotEntry]
    products: dict[str, e.ProductEntry]
    members: dict[str, e.MemberEntry]
    way: list[Position]
    facts: list[Noted]


def voucher_hash(voucher: bytes) -> bytes:
    """What a position's entry holds of a voucher (16 random bytes)."""
    return digest(TAG_VOUCHER, voucher)


def verify_product(trusted: policy.Policy, query: Query, proof: bytes, now_ms: int | None) -> Product:
    """What `proof` proves about `query` under `trusted`, or VerifyFailed naming the check that failed.

    `now_ms` is the reader's clock for a proof that was just fetched; None for a saved file, which is judged as
    of its oldest cosignature. An unknown code is no failure: its absence is proven, and the verdict says so.
    """
    try:
        shown = f.PROOF.decode(proof)
    except Malformed as error:
        raise VerifyFailed("format", str(error)) from None
    if (shown.product, shown.lot) != (query.product, query.lot):
        raise VerifyFailed(
            "query", f"asked for {query.product}{query.lot}, the proof is about {shown.product}{shown.lot}"
        )
    trusted = succession.follow(trusted, shown.steps, now_ms)
    agreed = policy.check(trusted, shown.checkpoint, now_ms, limits.WITNESS_WINDOW_MS)
    header = succession.last_header(shown.header, shown.header_proof, agreed.checkpoint)
    proven = mapproof.read(shown.map)
    if proven.root != header.state:
        raise VerifyFailed("state map", f"its root is {proven.root.hex()}, the block's {header.state.hex()}")
    evidence = Evidence(shown, proven, header)
    today = day_of(agreed.oldest_ms if now_ms is None else now_ms)
    subjects = Subjects(evidence, today)
    names = subjects.scanned(query.product, query.lot)
    lots = [lot for name in names for lot in subjects.family(name)]
    way: list[Position] = []
    if lots and (query.voucher is not None or query.site is not None):
        way = follow(evidence, subjects, _start(evidence, query, lots[0].lot))
    else:
        for name in names:
            subjects.expiry(name)
    subjects.signers()
    findings = sorted(set(subjects.findings), key=lambda found: (-found.verdict, found.subject, found.detail))
    return Product(
        verdict=worst(findings),
        findings=findings,
        as_of_ms=agreed.oldest_ms,
        log_size=agreed.checkpoint.size,
        height=header.height,
        lots=lots,
        products=subjects.products,
        members=evidence.members,
        way=way,
        facts=subjects.facts,
    )


def _start(evidence: Evidence, query: Query, lot: str) -> Name:
    """The position that the voucher or the public site opens, or VerifyFailed: it opens another, or none."""
    name = evidence.position
    if name is None:
        raise VerifyFailed("position", "a way was asked for, the proof shows none")
    entry = evidence.entry(e.position_path(lot, name.owner, name.site), e.POSITION)
    if entry is None:
        raise VerifyFailed("position", f"{name.owner} is proven not to have held {lot} at {name.site}")
    if query.voucher is not None:
        if entry.voucher != voucher_hash(query.voucher):
            raise VerifyFailed("voucher", "it does not open the position that the proof shows")
    else:
        site = evidence.entry(e.site_path(name.site), e.SITE)
        if name.site != query.site or name.owner != site_keeper(name.site) or site is None or not site.public:
            raise VerifyFailed("position", f"{name.site} is not the public site asked for")
    return (lot, name.owner, name.site)
