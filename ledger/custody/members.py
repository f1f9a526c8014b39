"""Members, sites, keys and products: who may act, where, with what."""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.step import Step, Violation, keeper_of, known_member
from ledger.identifiers import is_gln


def main_site(member: str) -> str:
    """Every member has this site from its admission on."""
    return f"{member}/main"


def _regulator_only(step: Step, what: str) -> None:
    if not step.is_regulator:
        raise Violation("member.not-regulator", f"{step.member} is not a regulator", f"a regulator {what}", "act")


def admit(step: Step, record: r.Admit) -> None:
    _regulator_only(step, "admits members")
    if step.draft.member(record.member) is not None:
        raise Violation(
            "member.known",
            f"{record.member} is a member already",
            "to give it another key, use a key record",
            "member",
        )
    member = e.MemberEntry(
        admitted=step.time, kind=record.kind, member=record.member, name=record.name, region=record.region
    )
    found_member(step, member, record.key)


def found_member(step: Step, member: e.MemberEntry, public_key: bytes) -> None:
    """Write a member, its first key and its main site; genesis does the same for the founders."""
    name = member.member
    key = e.KeyEntry(admitted=step.time, key=public_key, member=name)
    site = e.SiteEntry(name=member.name, region=member.region, site=main_site(name))
    step.draft.put(b"m" + e.member_path(name), member)
    step.draft.put(b"m" + e.key_path(name, e.key_id(public_key)), key)
    step.draft.put(b"m" + e.site_path(main_site(name)), site)


def suspend(step: Step, record: r.Suspend) -> None:
    """A suspended member's acts are still taken (what happened must be sayable), and shown as such."""
    _regulator_only(step, "suspends members")
    member = known_member(step, record.member, "member")
    if record.member == step.member:
        raise Violation(
            "member.own", "nobody suspends itself, or ends that", "another regulator signs this", "member"
        )
    suspended = None if record.ended else step.time
    step.draft.put(b"m" + e.member_path(record.member), structs.replace(member, suspended=suspended))


def site(step: Step, record: r.Site) -> None:
    if keeper_of(record.site) != step.member:
        raise Violation(
            "site.not-own",
            f"{record.site} would be kept by {keeper_of(record.site)}",
            "the keeper declares it",
            "site",
        )
    path = e.site_path(record.site)
    old = step.draft.site(record.site)
    entry = e.SiteEntry(
        adverse=old.adverse if old else None,
        closed=((old.closed if old else None) or step.time) if record.closed else None,
        facts=old.facts if old else None,
        name=record.name,
        public=record.public,
        region=record.region,
        site=record.site,
    )
    step.draft.put(b"m" + path, entry)
    code = record.site.partition("/")[2]
    if is_gln(code):
        step.draft.put(s.gln_key(code, record.site), 1)


def key(step: Step, record: r.Key) -> None:
    if record.member != step.member and not step.is_regulator:
        raise Violation(
            "key.not-own", f"{record.member} is not the signer", "sign with a key of that member", "member"
        )
    known_member(step, record.member, "member")
    path = e.key_path(record.member, e.key_id(record.key))
    old = step.draft.key(record.member, e.key_id(record.key))
    if record.change == r.KeyChange.ADMIT:
        if old is not None:
            raise Violation("key.known", "this key was admitted before", "make a new key", "key")
        entry = e.KeyEntry(
            admitted=step.time, key=record.key, label=record.label, limits=record.limits, member=record.member
        )
    elif old is None or old.key != record.key:
        raise Violation("key.unknown", f"{record.member} has no such key", "check the key", "key")
    elif record.change == r.KeyChange.RETIRE:
        entry = structs.replace(old, retired=old.retired or step.time)
    else:
        suspect = [since for since in (old.suspect_from, record.suspect_from) if since is not None]
        entry = structs.replace(old, revoked=old.revoked or step.time, suspect_from=min(suspect, default=None))
    step.draft.put(b"m" + path, entry)


def register(step: Step, record: r.Register) -> None:
    """Declared by maker or importer; any holder may declare what nobody has, until the maker's replaces it. A
    regulator settles who a code belongs to."""
    owner, slash, _ = record.product.partition("/")
    if slash and owner != step.member and not step.is_regulator:
        raise Violation("product.not-own", f"codes of {owner} are declared by it", "use your own code", "product")
    if record.declared_by == r.DeclaredBy.MAKER and record.maker != step.member and not step.is_regulator:
        raise Violation("product.maker", "who declares as maker names itself as `maker`", "set maker", "maker")
    if record.maker is not None:
        known_member(step, record.maker, "maker")
    path = e.product_path(record.product)
    old = step.draft.product(record.product)
    if old is not None:
        _may_replace(step, old, record)
    if record.base is not None:
        _check_base(step, record.base)
    entry = e.ProductEntry(
        adverse=old.adverse if old else None,
        base=record.base,
        category=record.category,
        closed=record.closed,
        contains=record.contains,
        declared_by=record.declared_by,
        declarer=record.maker if step.is_regulator and record.maker is not None else step.member,
        facts=old.facts if old else None,
        grams=record.grams,
        in_force=old.in_force if old else None,
        licence=record.licence,
        maker=record.maker,
        name=record.name,
        origin=record.origin,
        product=record.product,
        registration=record.registration,
        shelf_days=record.shelf_days,
        specification=record.specification,
        temp_max_mc=record.temp_max_mc,
        temp_min_mc=record.temp_min_mc,
        tolerance_permille=record.tolerance_permille,
    )
    step.draft.put(b"m" + path, entry)


def _looser(old: e.ProductEntry, new: r.Register) -> bool:
    warmer = old.temp_max_mc is not None and (new.temp_max_mc is None or new.temp_max_mc > old.temp_max_mc)
    colder = old.temp_min_mc is not None and (new.temp_min_mc is None or new.temp_min_mc < old.temp_min_mc)
    return warmer or colder


def _may_replace(step: Step, old: e.ProductEntry, record: r.Register) -> None:
    if step.is_regulator:
        return
    named = step.member == old.maker and record.declared_by == r.DeclaredBy.MAKER  # whoever that is speaks for it
    provisional = old.declared_by == r.DeclaredBy.HOLDER and record.declared_by != r.DeclaredBy.HOLDER
    if old.declarer != step.member and not (provisional or named):
        raise Violation(
            "product.declared",
            f"{old.product} was declared by {old.declarer}",
            "use that declaration",
            "product",
        )
    importer = provisional and record.declared_by == r.DeclaredBy.IMPORTER
    if old.maker is not None and (old.maker != record.maker or importer) and step.member != old.maker:
        raise Violation(
            "product.maker",
            f"{old.maker} is declared as its maker, and what is said of it covers the product",
            "a regulator or that maker changes it",
            "maker",
        )
    if old.declarer == step.member and record.declared_by > old.declared_by:
        raise Violation(
            "product.declared",
            "a declaration may be confirmed, not weakened",
            "keep `declared_by`",
            "declared_by",
        )
    if not provisional and (old.tolerance_permille is None) != (record.tolerance_permille is None):
        raise Violation(
            "product.measure",
            f"{old.product} is declared as {'weighed' if old.tolerance_permille is not None else 'counted'}",
            "declare another code for goods that are weighed",
            "tolerance_permille",
        )
    if not provisional and (old.base, old.contains) != (record.base, record.contains):
        raise Violation(
            "product.level",
            f"{old.product} is declared as {old.contains or 1} of {old.base or 'itself'}, and quantities rest on it",
            "declare another code for another level",
            "base",
        )
    if not provisional and _looser(old, record):
        raise Violation(
            "product.looser",
            f"{old.product} is kept colder or warmer than it was declared to be",
            "a regulator loosens temperature limits, or what was a breach would be none",
            "temp_max_mc",
        )


def _check_base(step: Step, base: str) -> None:
    entry = step.draft.product(base)
    if entry is None:
        raise Violation("product.unknown", f"no product {base}", "declare the base item first", "base")
    if entry.base is not None:
        raise Violation("product.level", f"{base} is a level of {entry.base}", "name the base item", "base")
