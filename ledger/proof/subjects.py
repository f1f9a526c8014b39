"""Step 3 and 5 of a verification: the lot that was asked for, its ancestors, products and makers, with every
adverse fact about each."""

from msgspec import Struct

from ledger import entries as e
from ledger import records as r
from ledger.custody.goods import FORMULA_CATEGORY
from ledger.custody.step import product_of
from ledger.errors import VerifyFailed
from ledger.limits import ANCESTORS_SHOWN_MAX, FACTS_SHOWN_MAX
from ledger.proof.evidence import Evidence, Signed
from ledger.proof.verdict import Finding, Verdict, of_bits, of_scopes

CERTIFYING = (r.FactKind.INSPECT, r.FactKind.TEST, r.FactKind.CERTIFY)


def needs_certificate(product: e.ProductEntry) -> bool:
    """Each lot of infant formula has its inspection report; what is imported, its quarantine certificate."""
    return product.category == FORMULA_CATEGORY or product.origin not in (None, "CN")


def _product_of(lot: str) -> str:
    try:
        return product_of(lot)
    except ValueError:
        raise VerifyFailed("lot", f"{lot} is neither PRODUCT#LOT nor PRODUCT@YYYYMMDD") from None


def _answers(product: e.ProductEntry, commissioner: str | None) -> bool:
    """Whether the word of whoever commissioned a lot is its maker's, or the importer's who declared the product."""
    declarer = product.declarer if product.declared_by != r.DeclaredBy.HOLDER else None
    return commissioner in (None, product.maker, declarer)


class Noted(Struct, frozen=True):
    """A fact, hold or recall that is shown: about which subject, and whether it is adverse."""

    subject: str
    adverse: bool
    signed: Signed


class Subjects:
    """Collects findings and facts while the subjects of a proof are visited, each once."""

    def __init__(self, evidence: Evidence, today: int) -> None:
        self.evidence = evidence
        self.today = today
        self.findings: list[Finding] = []
        self.facts: list[Noted] = []
        self.products: dict[str, e.ProductEntry] = {}
        self._scopes: dict[str, list[tuple[bytes, r.Record]]] = {}
        self._sites: dict[str, e.SiteEntry | None] = {}
        self._lots: dict[str, e.LotEntry] = {}

    def scanned(self, product: str, lot: str) -> list[str]:
        """The lots that a scanned code may mean: of the base item, where the code is a level of one; before that the
        code's own, where goods were booked under it before it was declared a level."""
        declared = self.evidence.entry(e.product_path(product), e.PRODUCT)
        if declared is None or declared.base is None:
            return [product + lot]
        names = [product + lot, declared.base + lot]
        return [name for name in names if self.evidence.entry(e.lot_path(name), e.LOT) is not None] or names[1:]

    def family(self, lot_id: str) -> list[e.LotEntry]:
        """The lot and its ancestors, breadth first; empty where the lot is proven to be unknown."""
        todo, seen, found = [lot_id], {lot_id}, []
        for lot in todo:
            entry = self.evidence.entry(e.lot_path(lot), e.LOT)
            product = self.product(_product_of(lot))
            if entry is None:
                if lot != lot_id:
                    raise VerifyFailed("ancestor", f"lot {lot}, named as a parent, is proven to be unknown")
                self.findings.append(Finding(Verdict.UNKNOWN_CODE, lot, "no such lot stands in the ledger"))
                return []
            if entry.lot != lot:
                raise VerifyFailed("lot", f"the entry proven is {entry.lot}, not {lot}")
            found.append(entry)
            self._lot(entry, product)
            for parent in entry.parents:
                if parent not in seen:
                    if len(seen) > ANCESTORS_SHOWN_MAX:
                        self.findings.append(Finding(Verdict.WAY_SHOWN_IN_PART, lot, "more ancestors than are shown"))
                        break
                    seen.add(parent)
                    todo.append(parent)
        return found

    def _lot(self, entry: e.LotEntry, product: e.ProductEntry | None) -> None:
        if entry.lot in self._lots:
            return
        self._lots[entry.lot] = entry
        path = e.lot_path(entry.lot)
        self.findings += of_bits(entry.bits, entry.lot)
        self.note(path, entry.lot, entry.adverse, entry.facts)
        if product is not None and needs_certificate(product) and not self._certified(entry.lot):
            missing = "no inspection, test or certificate of it is shown"
            self.findings.append(Finding(Verdict.FACTS_NOTED, entry.lot, missing))
        if product is not None and not _answers(product, entry.commissioner):
            self.findings.append(Finding(Verdict.NOT_COMMISSIONED_BY_MAKER, entry.lot, f"by {entry.commissioner}"))
        makers = {entry.commissioner, product.maker if product is not None else None} - {None}
        for maker in sorted(str(maker) for maker in makers):
            self.evidence.member(maker)
            self.findings += of_scopes(self.scopes_of_member(maker), entry, maker)
        for name in (product.product, product.base) if product is not None else ():
            if name is not None and self.product(name) is not None:
                self.findings += of_scopes(self._scopes[name], entry, name)

    def _certified(self, lot: str) -> bool:
        own = (noted.signed.record for noted in self.facts if noted.subject == lot and not noted.adverse)
        return any(isinstance(record, r.Fact) and record.kind in CERTIFYING for record in own)

    def expiry(self, lot: str) -> None:
        """Of the goods at hand: that an ingredient would be past its date by now says nothing."""
        entry = self.evidence.entry(e.lot_path(lot), e.LOT)
        if entry is not None and entry.expiry is not None and entry.expiry < self.today:
            self.findings.append(Finding(Verdict.EXPIRED, lot, f"best before {entry.expiry}"))

    def product(self, product: str) -> e.ProductEntry | None:
        if product in self.products:
            return self.products[product]
        path = e.product_path(product)
        entry = self.evidence.entry(path, e.PRODUCT)
        if entry is None:
            return None
        if entry.product != product:
            raise VerifyFailed("product", f"the entry proven is {entry.product}, not {product}")
        self.products[product] = entry
        shown = self.note(path, product, entry.adverse, entry.facts)
        self._scopes[product] = [(signed.name, signed.record) for signed in shown]
        for member in sorted({str(member) for member in (entry.maker, entry.declarer) if member is not None}):
            self.evidence.member(member)
        return entry

    def site(self, site: str) -> e.SiteEntry | None:
        """A site on the way, with the facts about it; each site once."""
        if site not in self._sites:
            path = e.site_path(site)
            entry = self._sites[site] = self.evidence.entry(path, e.SITE)
            if entry is not None:
                self.note(path, site, entry.adverse, entry.facts)
        return self._sites[site]

    def scopes_of_member(self, member: str) -> list[tuple[bytes, r.Record]]:
        if member not in self._scopes:
            entry = self.evidence.member(member)
            shown = self.note(e.member_path(member), member, entry.adverse, None)
            self._scopes[member] = [(signed.name, signed.record) for signed in shown]
        return self._scopes[member]

    def note(self, path: bytes, subject: str, adverse: e.Chain | None, facts: e.Chain | None) -> list[Signed]:
        """Take in the facts about a subject: the adverse ones whole, the newest of the others."""
        bad = self.evidence.chain(path, e.CHAIN_ADVERSE, adverse)
        other = self.evidence.chain(path, e.CHAIN_FACTS, facts, FACTS_SHOWN_MAX)
        self.facts += [Noted(subject, True, signed) for signed in bad]
        self.facts += [Noted(subject, False, signed) for signed in other]
        if any(isinstance(signed.record, r.Fact) for signed in bad):
            self.findings.append(Finding(Verdict.ADVERSE_FACT, subject))
        elif bad:
            self.findings.append(Finding(Verdict.FACTS_NOTED, subject))
        return bad

    def signers(self) -> None:
        """Members that took part and are suspended now; keys that signed since they may have been in wrong hands."""
        for (name, _), key in self.evidence.suspect.items():
            self.findings.append(
                Finding(Verdict.KEY_SUSPECT, name, f"a key of it, {key.label or key.key.hex()[:16]}")
            )
        for member in self.evidence.members.values():
            if member.suspended is not None:
                self.findings.append(Finding(Verdict.MEMBER_SUSPENDED, member.member, member.name))
