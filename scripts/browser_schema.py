"""Writes web/verify/schema.js: the limits, numbers and structures that a verifier in the browser shares with
ledger/, read from the types that Python decodes with. scripts/generate runs it.

A structure is given as its fields in canonical order, each with its reader (web/verify/msgpack.js).
"""

import sys
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

from msgspec import NODEFAULT, Struct, inspect

from ledger import block, entries, envelope, limits
from ledger import records as r
from ledger.custody.goods import FORMULA_CATEGORY
from ledger.proof import format as f
from ledger.proof.verdict import OF_BITS, Verdict

LIMITS = (
    "ANCESTORS_SHOWN_MAX", "BOOKED_LATE_MS_MIN", "BUCKET_ENTRIES_MAX", "FACTS_SHOWN_MAX", "NOTE_BYTES_MAX",
    "NOTE_SIGNATURES_MAX", "PATH_POSITIONS_MAX", "POLICY_CHARS_MAX", "POLICY_GROUP_ENTRIES_MAX",
    "POLICY_GROUP_LEVELS_MAX", "POLICY_NEEDED_CHARS_MAX", "PROOF_BYTES_MAX", "RETIRED_KEY_GRACE_MS",
    "SOURCES_INLINE_MAX", "TIME_MS_MAX", "WITNESS_WINDOW_MS",
)  # fmt: skip
TABLES: dict[str, type[IntEnum] | type[IntFlag]] = {"ACTS": r.Act, "BITS": entries.Bit, "VERDICTS": Verdict}
STRUCTURES: dict[str, Any] = {
    "ProductProof": f.ProductProof,
    "BlockHeader": block.BlockHeader,
    "EnvelopeHeader": envelope.Header,
    "ProductEntry": entries.ProductEntry,
    "LotEntry": entries.LotEntry,
    "PositionEntry": entries.PositionEntry,
    "Way": entries.Way,
    "MemberEntry": entries.MemberEntry,
    "KeyEntry": entries.KeyEntry,
    "SiteEntry": entries.SiteEntry,
    "PolicyEntry": entries.PolicyEntry,
    "Record": r.Record,
}
SHORT = {"int": "i", "text": "t", "bytes": "b"}
READERS = "array, bool, bytes, int, list, map, oneOf, optional, text, union"


class Writer:
    """Collects statements; every structure and table is written once, before the first that uses it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.written: set[str] = set()

    def table(self, name: str, numbers: type[IntEnum] | type[IntFlag]) -> None:
        members = ", ".join(f"{one.name}: {one.value}" for one in numbers)
        self.lines.append(f"export const {name} = {{ {members} }};")

    def export(self, name: str, kind: inspect.Type) -> None:
        if not isinstance(kind, inspect.StructType):
            self.lines.append(f"export const {name} = {self.reader(kind)};")
        elif self.reader(kind) != name:
            raise ValueError(f"{name} is called {kind.cls.__name__}")

    def reader(self, kind: inspect.Type) -> str:
        """The expression that reads values of a type."""
        match kind:
            case inspect.IntType(ge=int(low), le=int(high)) if (
                -limits.INTEGER_MAX <= low <= high <= limits.INTEGER_MAX
            ):
                return self.named("int", f"{low}, {high}")
            case inspect.BoolType():
                return "bool"
            case inspect.StrType(pattern=None):
                return self.named("text", _bounds(kind))
            case inspect.BytesType():
                return self.named("bytes", _bounds(kind))
            case inspect.ListType():
                return f"list({', '.join(filter(None, (self.reader(kind.item_type), _bounds(kind))))})"
            case inspect.EnumType():
                return self.once(kind.cls.__name__, lambda: f"oneOf({self.numbers(kind.cls)})")
            case inspect.StructType():
                shape = "array" if kind.array_like else "map"
                return self.once(name_of(kind.cls), lambda: f"{shape}({self.fields(kind)})")
            case inspect.UnionType() if all(isinstance(one, inspect.StructType) for one in kind.types):
                return self.union(kind)
        raise ValueError(f"no reader for {kind}: an integer needs both bounds, a text no pattern")

    def named(self, reader: str, bounds: str) -> str:
        """Such a reader under a short name: most occur many times."""
        name = SHORT[reader] + bounds.replace(", ", "_").replace("-", "m").replace(str(limits.INTEGER_MAX), "max")
        return self.once(name.replace(str(limits.TIME_MS_MAX), "time"), lambda: f"{reader}({bounds})")

    def once(self, name: str, expression: Any) -> str:
        if name not in self.written:
            self.written.add(name)
            body = expression()
            self.lines.append(f"{'export ' if name in STRUCTURES else ''}const {name} = {body};")
        return name

    def numbers(self, numbers: type) -> str:
        known = next((name for name, table in TABLES.items() if table is numbers), None)
        return known or "{ " + ", ".join(f"{one.name}: {one.value}" for one in numbers) + " }"  # type: ignore[attr-defined]

    def fields(self, kind: inspect.StructType) -> str:
        if not kind.forbid_unknown_fields:
            raise ValueError(f"{kind.cls.__name__} lets unknown fields pass")
        return "{ " + ", ".join(f"{one.encode_name}: {self.field(one)}" for one in kind.fields) + " }"

    def field(self, field: inspect.Field) -> str:
        kind: inspect.Type = field.type
        if isinstance(kind, inspect.UnionType) and kind.includes_none:
            rest = tuple(one for one in kind.types if not isinstance(one, inspect.NoneType))
            kind = rest[0] if len(rest) == 1 else inspect.UnionType(rest)
        read = self.reader(kind)
        if field.required:
            return read
        missing = field.default if field.default_factory is NODEFAULT else field.default_factory()
        known = {None: "", 0: ", 0"}.get(missing) if not isinstance(missing, list) else ", []"
        if known is None:
            raise ValueError(f"no form for the default {missing!r} of {field.name}")
        return f"optional({read}{known})"

    def union(self, kind: inspect.UnionType) -> str:
        lines = []
        for one in sorted(kind.types, key=lambda one: one.tag):  # type: ignore[attr-defined]
            name = r.act_of_type(one.cls).name  # type: ignore[attr-defined]
            lines.append(f'  [{one.tag}, "{name}", {self.fields(one)}],\n')  # type: ignore[attr-defined, arg-type]
        return 'union("act", [\n' + "".join(lines) + "])"


def name_of(kind: type[Struct]) -> str:
    return next((name for name, value in STRUCTURES.items() if value is kind), kind.__name__)


def _bounds(kind: Any) -> str:
    if kind.max_length is None:
        return str(kind.min_length) if kind.min_length else ""
    return f"{kind.min_length or 0}, {kind.max_length}"


def schema() -> str:
    writer = Writer()
    for name, numbers in TABLES.items():
        writer.table(name, numbers)
    pairs = ", ".join(f'["{bit.name}", "{verdict.name}"]' for bit, verdict in OF_BITS)
    writer.lines.append(f"export const OF_BITS = [{pairs}];")
    writer.lines.append(f'export const FORMULA_CATEGORY = "{FORMULA_CATEGORY}";')
    for name, structure in STRUCTURES.items():
        writer.export(name, inspect.type_info(structure))
    bounds = "".join(f"  {name}: {getattr(limits, name)},\n" for name in LIMITS)
    head = "// Generated from ledger/ by scripts/generate. Do not edit.\n\n"
    imports = f'import {{ {READERS} }} from "./msgpack.js";\n\n'
    return f"{head}{imports}export const LIMITS = {{\n{bounds}}};\n" + "\n".join(writer.lines) + "\n"


def main() -> None:
    path = Path(sys.argv[1]) / "web" / "verify" / "schema.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema())


if __name__ == "__main__":
    main()
