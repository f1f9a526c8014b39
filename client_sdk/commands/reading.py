"""Commands of those who read: proof, verify, info."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from client_sdk import access, codes, saved
from client_sdk.client import Client
from client_sdk.commands import meant
from client_sdk.commands.comparing import Compare, against_pin, compared, same_everywhere
from client_sdk.commands.options import Json, out, policy_file, reader, say
from client_sdk.commands.verdicts import GOOD_ENOUGH, as_values, show, spelled
from client_sdk.errors import NotFound
from client_sdk.wire import clock_ms
from ledger.errors import Malformed, VerifyFailed
from ledger.policy import Policy
from ledger.proof import format as f
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Product, Query, verify_product

NODE_HELP = "Connection file (suyuan-node connection), or a folder with several; may be repeated."
Connections = Annotated[list[Path], typer.Option("--node", "-n", envvar="SUYUAN_NODE", help=NODE_HELP)]
Code = Annotated[str, typer.Argument(help="What was scanned: a Digital Link, (01)…(10)…, or GTIN#LOT.")]
Voucher = Annotated[str, typer.Option(help="32 hexadecimal digits, if the code does not hold it.")]
Site = Annotated[str, typer.Option(help="A public shop, MEMBER/CODE.")]


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
    file: Annotated[Path, typer.Option("--out", "-o", help="Where the proof goes.")],
    voucher: Voucher = "",
    site: Site = "",
    as_json: Json = False,
) -> None:
    """Fetch a product's proof into a file, and verify it before it is written."""
    query = _scan(code, voucher, site).query()
    with reader(node) as source:
        data = source.product_proof(query.product, query.lot, query.voucher, query.site)
        product = source.verify(query, data)
        near = _near(source, source.trust.policy, query, product)
    file.write_bytes(f.to_file(data))
    name = product.verdict.name.lower()
    values = {"file": str(file), "bytes": len(data), "verdict": name if as_json else spelled(name)}
    say(as_json, values | ({"did_you_mean": near} if near else {}))


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
    near: list[str] = []
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
            near = _near(source, trusted, query, product)
    _tell(product, near, as_json)
    if product.verdict > GOOD_ENOUGH:
        raise typer.Exit(1)


def _tell(product: Product, near: Sequence[str], as_json: bool) -> None:
    if as_json:
        say(True, as_values(product) | ({"did_you_mean": near} if near else {}))
        return
    show(product)
    if near:
        out(f"{meant.question(near)} The ledger has it; verify the code that stands on the pack")


def _near(source: Client, trusted: Policy, query: Query, product: Product) -> list[str]:
    """Of a lot that is unknown: the other forms of its number that are proven to stand in the ledger."""

    def known(lot: str) -> bool:
        other = Query(product=query.product, lot=lot.removeprefix(query.product))
        data = source.product_proof(other.product, other.lot, None, None)
        return verify_product(trusted, other, data, clock_ms()).verdict != Verdict.UNKNOWN_CODE

    return meant.declared(query.product + query.lot, known) if product.verdict == Verdict.UNKNOWN_CODE else []


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


def info(
    node: Connections,
    each: Annotated[bool, typer.Option("--all", help="Compare every node: do they show one history?")] = False,
    as_json: Json = False,
) -> None:
    """Who a node is and where its log stands; with --all, whether every node shows the same. Exit code 1 where they
    do not, where one cannot be asked, or where the log is another than an identity folder saw before."""
    with reader(node) as source:
        if each:
            compared(source, node[0] if node[0].is_dir() else Path(), as_json)
            return
        found = source.node_info()
        stands = {"height": found.height, "leaves": found.size}
        forked = against_pin(source, node[0])
    say(as_json, {"name": found.name, "node": found.node, "chain": found.chain_id.hex()} | stands)
    if forked:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    for command in (proof, verify, info):
        app.command()(command)
