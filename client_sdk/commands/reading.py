"""Commands of those who read: proof, verify, info."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from client_sdk import access, codes, saved, when
from client_sdk.client import Client
from client_sdk.commands.comparing import Compare, compared, same_everywhere
from client_sdk.commands.options import Json, console, policy_file, reader, say
from client_sdk.errors import NotFound
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger.errors import Malformed, VerifyFailed
from ledger.policy import Policy
from ledger.proof import format as f
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Product, Query, verify_product
from ledger.proof.way import WayIn

NODE_HELP = "Connection file (suyuan-node connection), or a folder with several; may be repeated."
Connections = Annotated[list[Path], typer.Option("--node", "-n", envvar="SUYUAN_NODE", help=NODE_HELP)]
Code = Annotated[str, typer.Argument(help="What was scanned: a Digital Link, (01)…(10)…, or GTIN#LOT.")]
Voucher = Annotated[str, typer.Option(help="32 hexadecimal digits, if the code does not hold it.")]
Site = Annotated[str, typer.Option(help="A public shop, MEMBER/CODE.")]
GOOD_ENOUGH = Verdict.FACTS_NOTED


def _scan(code: str, voucher: str, site: str) -> codes.Scan:
    scan = codes.parse_scan(code)
    if voucher:
        try:
            scan = msgspec.structs.replace(scan, voucher=bytes.fromhex(voucher))
        except ValueError:
            raise Malformed("voucher", "32 hexadecimal digits are expected") from None
    return msgspec.structs.replace(scan, site=site) if site else scan


def proof(
    code: Code,
    node: Connections,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the proof goes.")],
    voucher: Voucher = "",
    site: Site = "",
    as_json: Json = False,
) -> None:
    """Fetch a product's proof into a file, and verify it before it is written."""
    query = _scan(code, voucher, site).query()
    with reader(node) as source:
        data = source.product_proof(query.product, query.lot, query.voucher, query.site)
        product = source.verify(query, data)
    out.write_bytes(f.to_file(data))
    name = product.verdict.name.lower()
    say(as_json, {"file": str(out), "bytes": len(data), "verdict": name if as_json else spelled(name)})


def verify(
    code: Code,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A saved page, bundle or proof; else the node is asked.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Whom to believe: a tlog-policy file.")] = None,
    node: Annotated[list[Path] | None, typer.Option("--node", "-n", envvar="SUYUAN_NODE", help=NODE_HELP)] = None,
    voucher: Voucher = "",
    site: Site = "",
    compare: Compare = False,
    as_json: Json = False,
) -> None:
    """Verify a product: online, or from a saved file alone with a policy. Exit code 1 unless all is well."""
    query = _scan(code, voucher, site).query()
    if file is not None:
        if policy is None and node is None:
            raise typer.BadParameter("a saved file needs --policy (or --node, for its policy): whom do you believe?")
        trusted = policy_file(policy) if policy is not None else access.readers(_given(node))[0].connection.trusted()
        product = _judged(trusted, query, file)
    else:
        with reader(_given(node)) as source:
            trusted = policy_file(policy) if policy is not None else source.trust.policy
            data = source.product_proof(query.product, query.lot, query.voucher, query.site)
            if compare:
                same_everywhere(source, lambda one: _verdict(one, trusted, query), "the verdict")
        product = verify_product(trusted, query, data, clock_ms())
    if as_json:
        say(True, as_values(product))
    else:
        _show(product)
    if product.verdict > GOOD_ENOUGH:
        raise typer.Exit(1)


def _verdict(node: Client, trusted: Policy, query: Query) -> str:
    """What one node's proof proves, or why it proves nothing."""
    try:
        data = node.product_proof(query.product, query.lot, query.voucher, query.site)
        product = verify_product(trusted, query, data, clock_ms())
    except (VerifyFailed, NotFound) as error:
        return str(error)
    findings = "; ".join(f"{spelled(one.verdict.name)}: {one.subject} {one.detail}" for one in product.findings)
    return f"{spelled(product.verdict.name)} ({findings})" if findings else spelled(product.verdict.name)


def _judged(trusted: Policy, query: Query, file: Path) -> Product:
    """What a saved file proves; where it was cut or changed on its way, that is said of the file."""
    try:
        return verify_product(trusted, query, saved.proof_of(file.read_bytes()), None)
    except VerifyFailed as error:
        if error.check not in ("file", "format"):
            raise
        again = "it is no product proof, or was damaged on its way; fetch it again: suyuan proof"
        raise VerifyFailed(str(file), f"{again} ({error.message})") from None


def _given(node: list[Path] | None) -> list[Path]:
    if not node:
        raise typer.BadParameter("without a saved file, --node says which node to ask")
    return node


def as_values(product: Product) -> dict[str, Any]:
    """The conclusion of a verification as plain values."""
    return {
        "verdict": product.verdict.name.lower(),
        "findings": [
            {"verdict": found.verdict.name.lower(), "subject": found.subject, "detail": found.detail}
            for found in product.findings
        ],
        "as_of": when.iso(product.as_of_ms),
        "log_size": product.log_size,
        "height": product.height,
        "lots": [lot.lot for lot in product.lots],
        "way": [
            {"owner": p.owner, "site": p.site, "lot": p.lot,
             "in": [_way(way) for way in p.ways]}
            for p in product.way
        ],
        "facts": [
            {"subject": noted.subject, "adverse": noted.adverse, "by": noted.signed.member,
             "act": noted.signed.element.act.name.lower(), "at": when.iso(noted.signed.time)}
            for noted in product.facts
        ],
    }  # fmt: skip


def _way(way: WayIn) -> dict[str, Any]:
    return {"by": way.kind.name.lower(), "at": when.iso(way.newest[-1].time), "earlier": way.earlier}


def spelled(name: str) -> str:
    """A verdict or a status bit for people; programs get its name, with underscores."""
    return name.lower().replace("_", " ")


def _show(product: Product) -> None:
    """The verdict first, then why, what it is, its way, and what was checked."""
    colour = (
        "green" if product.verdict <= GOOD_ENOUGH else "yellow" if product.verdict < Verdict.ADVERSE_FACT else "red"
    )
    console.print(f"[bold {colour}]{spelled(product.verdict.name).upper()}[/]  as of {when.shown(product.as_of_ms)}")
    for found in product.findings:
        detail = spelled(found.detail) if found.detail.upper() in e.Bit.__members__ else found.detail
        console.print(
            f"  {spelled(found.verdict.name)}: {found.subject} {detail}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    names = {name: member.name for name, member in product.members.items()}
    for lot in product.lots:
        entry = product.products.get(lot.lot.split("#")[0].split("@")[0])
        dates = f"made {lot.production or 'unknown'}, best before {lot.expiry or 'unknown'}"
        maker = names.get(lot.commissioner or "", "nobody")
        holders = lot.holders.count if lot.holders is not None else 0
        console.print(
            f"{entry.name if entry else ''} {lot.lot}: commissioned by {maker}, {dates}, {holders} positions so far",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    for position in product.way:
        ways = "; ".join(f"{spelled(way.kind.name)} {when.shown(way.newest[-1].time)}" for way in position.ways)
        owner = names.get(position.owner, position.owner)
        console.print(f"  ← {owner} at {position.site}: {ways}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"checked: checkpoint of {product.log_size} leaves, its quorum, block {product.height}, "
        f"{len(product.members)} members, every adverse fact, every way in",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def info(
    node: Connections,
    each: Annotated[bool, typer.Option("--all", help="Compare every node: do they show one history?")] = False,
    as_json: Json = False,
) -> None:
    """Who a node is and where its log stands; with --all, whether every node shows the same."""
    with reader(node) as source:
        if each:
            compared(source, node[0] if node[0].is_dir() else Path(), as_json)
            return
        found = source.node_info()
    say(as_json, {"name": found.name, "chain": found.chain_id.hex(), "height": found.height, "leaves": found.size})


def register(app: typer.Typer) -> None:
    for command in (proof, verify, info):
        app.command()(command)
