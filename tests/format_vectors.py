"""Makes the vectors of docs/formats/vectors from fixed keys, salts and times, and compares or writes them.

`scripts/vectors` compares byte for byte and names what differs; `scripts/vectors --write` writes them anew.
"""

import json
import re
import sys
import tempfile
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl.public import Box, PrivateKey

from ledger import block as b
from ledger import checkpoint as c
from ledger import entries as e
from ledger import genesis as g
from ledger import mapproof, merkle, policy, statemap
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER, envelope_id, envelope_leaf
from ledger.private import Private, opening_of
from ledger.proof.verify import voucher_hash
from ledger.seals import seal
from node.feed import Feed
from node.post.letters import GIVEN, LETTER, TAKEN, Given, Letter, Taken
from tests.world import (
    CASE,
    DAY_MS,
    DEALER,
    FORMULA,
    LAB,
    LOT,
    MAKER,
    ORIGIN,
    POLICY,
    POWDER,
    REGULATOR,
    SHOP,
    Act,
    World,
    genesis,
    member,
)

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "formats" / "vectors"
VOUCHER = b"suyuan-voucher-1"
Vectors = dict[str, Any]


def make() -> dict[str, Vectors]:
    """File name -> its content."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "node").founded()
        try:
            return _of(world)
        finally:
            world.close()


def _of(world: World) -> dict[str, Vectors]:
    records = {act.kind.__name__.lower(): _record(world, act) for act in _every_act(world)}
    return {
        "record": records,
        "envelope": _envelope(world),
        "state-map": _state_map(),
        "chain": _chain(),
        "genesis": _genesis(),
        **_chain_of_blocks(world),
        "letter": _letter(),
        "private": _private(world),
        "subscription": _subscription(world),
    }


def _every_act(world: World) -> list[Act]:
    """One of each act, as its fields allow."""
    ship = bytes.fromhex("5a" * 32)
    newcomer = member(50)
    window = r.Window(
        count=240, device="CC-0173", gap_s=60, max_mc=-18_200, mean_mc=-19_800, min_mc=-21_300, series=ship,
        start=world.now - 3_600_000, until=world.now,
    )  # fmt: skip
    limits = r.KeyLimits(acts=[30], sites=[SHOP.site], until=world.now + DAY_MS)
    return [
        world.register(
            FORMULA, category="129", grams=800, licence="SC12933040200018", registration="国食注字YP20250001"
        ),
        world.admit(newcomer),
        world.act(r.Suspend, member=newcomer.id, reason="吊销"),
        world.act(r.Site, name="二店", public=True, region="CN-3304", site=f"{SHOP.id}/two"),
        world.act(r.Key, change=r.KeyChange.ADMIT, key=newcomer.key, label="收银台", limits=limits, member=SHOP.id),
        world.commission(10_000),
        world.transform(MAKER, {f"{POWDER}#P1": 4}, {f"{FORMULA}#T1": 100}),
        world.enter(SHOP, 12, production=20251101),
        world.ship(MAKER, DEALER, 600, unit="006901234567890121"),
        world.receive(ship, accepted=590, short=10),
        world.withdraw(ship, DEALER),
        world.count(SHOP, 12, 11, missing=1),
        world.pack(DEALER, "006901234567890121", {LOT: 48}, ["106901234567890128"]),
        world.unpack(DEALER, "006901234567890121"),
        world.claim(SHOP, DEALER, 24),
        world.dispute(ship, SHOP),
        world.take_back(SHOP, 1),
        world.relabel(SHOP, 6, f"{FORMULA}#A2", LOT),
        world.correct(world.seal(world.sell(SHOP, 20)), {"quantity": 2}),
        world.act(r.Move, world.moved(4), lot=LOT, site=SHOP.site, to_site=f"{SHOP.id}/two"),
        world.sell(SHOP, 2),
        world.act(r.Destroy, world.moved(1), lot=LOT, reason=r.DestroyReason.DAMAGED, site=SHOP.site),
        world.act(r.Fact, kind=r.FactKind.MEASURE, subject=world.position_subject(SHOP), window=window),
        world.act(r.Hold, reason="抽检", subject=world.lot_subject()),
        world.act(r.Recall, grade=1, made_from=20251101, reason="召回",
                  subject=r.Subject(kind=r.SubjectKind.MEMBER, member=MAKER.id)),
        world.act(r.Close, reason="已完成", subject=world.lot_subject(), target=ship),
        world.act(r.Lift, reason="误报", subject=world.lot_subject(), target=ship),
        world.act(r.Voucher, lot=LOT, site=SHOP.site, voucher=voucher_hash(VOUCHER)),
    ]  # fmt: skip


def _record(world: World, act: Act) -> Vectors:
    sealed = world.seal(act)
    found = {"record": sealed.record.hex(), "hash": sealed.hash.hex()}
    return found | ({"opening": sealed.opening.hex()} if sealed.opening else {})


def _envelope(world: World) -> Vectors:
    sealed = [world.seal(world.sell(MAKER, 1)), world.seal(world.sell(MAKER, 2))]
    wire = world.envelope(MAKER, sealed)
    envelope = ENVELOPE.decode(wire)
    header = HEADER.decode(envelope.header)
    return {
        "seed": MAKER.seed.hex(),
        "public_key": MAKER.key.hex(),
        "key_id": e.key_id(MAKER.key).hex(),
        "chain": header.chain.hex(),
        "header": envelope.header.hex(),
        "signature": envelope.signature.hex(),
        "records": [item.record.hex() for item in sealed],
        "openings": [item.opening.hex() for item in sealed],
        "root": header.root.hex(),
        "id": envelope_id(envelope.header).hex(),
        "leaf": envelope_leaf(envelope.header, envelope.signature).hex(),
        "wire": wire.hex(),
    }


def _state_map() -> Vectors:
    """Sets of entries with their roots, and proofs of presence and absence."""
    found: Vectors = {
        "paths": {"lot": e.lot_path(LOT).hex(), "position": e.position_path(LOT, SHOP.id, SHOP.site).hex()}
    }
    for count in (0, 1, 8, 9, 100):
        entries = {statemap.path_of(b"lot\x00%d" % n, statemap.PUBLIC): b"value %d" % n for n in range(count)}
        node = statemap.build(sorted(entries.items()))
        absent = statemap.path_of(b"lot\x00absent", statemap.PUBLIC)
        proof = mapproof.prove(node, [*list(entries)[:1], absent], entries.get)
        found[f"{count} entries"] = {
            "root": node[0].hex(),
            "present": [path.hex() for path in list(entries)[:1]],
            "absent": absent.hex(),
            "proof": proof.hex(),
        }
    return found


def _chain() -> Vectors:
    path = e.lot_path(LOT)
    head = e.chain_start(path, e.CHAIN_FACTS)
    heads = [head.hex()]
    for number in range(3):
        head = e.chain_next(head, e.Element(r.Act.FACT, 1_763_000_000_000 + number, 7, number, bytes([number]) * 32))
        heads.append(head.hex())
    return {"path": path.hex(), "name": e.CHAIN_FACTS.hex(), "heads": heads}


def _genesis() -> Vectors:
    found = genesis()
    return {
        "json": g.to_json(found).decode(),
        "canonical": g.CODEC.encode(found).hex(),
        "chain_id": g.chain_id(found).hex(),
        "policy": policy.format_policy(POLICY),
    }


def _chain_of_blocks(world: World) -> dict[str, Vectors]:
    """A lot's way to a shop, the blocks it was booked in, a receipt, and proofs before and after a recall."""
    world.hand_over(MAKER, DEALER, 600)
    world.hand_over(DEALER, SHOP, 100)
    world.do(SHOP, world.act(r.Voucher, lot=LOT, site=SHOP.site, voucher=voucher_hash(VOUCHER)))
    world.do(LAB, world.act(r.Fact, document="JY-1", kind=r.FactKind.TEST, subject=world.lot_subject(), text="合格"))
    head, note = world.store.head, world.note()
    payload = dict(world.store.blocks(1))[head.height]
    block = b.BLOCK.decode(payload)
    leaf = head.log.size - 2
    entries = [envelope_leaf(one.header, one.signature) for one in map(ENVELOPE.decode, block.envelopes)]
    blocks = {
        "height": head.height,
        "payload": payload.hex(),
        "header": block.header.hex(),
        "header_hash": b.header_hash(block.header).hex(),
        "leaves": [*(entry.hex() for entry in entries), b.header_leaf(block.header).hex()],
        "file_start": (world.folder / "blocks" / "000001.blk").read_bytes()[:68].hex(),
    }
    receipt = {
        "leaf": leaf,
        "leaf_hash": merkle.leaf_hash(entries[0]).hex(),
        "proof": [one.hex() for one in world.store.inclusion_proof(leaf)],
        "checkpoint": note.decode(),
    }
    checkpoint = {
        "origin": ORIGIN,
        "text": c.Checkpoint(ORIGIN, head.log.size, head.log.root()).text(),
        "note": note.decode(),
    }
    proofs = _proofs(world)
    return {
        "block": blocks, "receipt": receipt, "checkpoint": checkpoint, "product-proof": proofs,
        "bundle": _bundle(proofs),
    }  # fmt: skip


def _proofs(world: World) -> Vectors:
    position = (SHOP.id, SHOP.site)
    before = {"now_ms": world.now, "proof": world.proof(position=position).hex(), "verdict": "GOOD"}
    unknown = {"now_ms": world.now, "proof": world.proof(f"{CASE}#NONE").hex(), "verdict": "UNKNOWN_CODE"}
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="召回", subject=world.lot_subject()))
    after = {"now_ms": world.now, "proof": world.proof(position=position).hex(), "verdict": "RECALLED"}
    query = {"product": FORMULA, "lot": "#A1", "voucher": VOUCHER.hex()}
    return {
        "policy": policy.format_policy(POLICY),
        "good": query | before,
        "recalled": query | after,
        "unknown": {"product": CASE, "lot": "#NONE"} | unknown,
    }


def _bundle(proofs: Vectors) -> Vectors:
    """The good proof as a node serves it to a page."""
    found = proofs["good"]
    query = {name: found[name] for name in ("product", "lot", "voucher")}
    proof = b64encode(bytes.fromhex(found["proof"])).decode()
    bundle = {"format": "suyuan product bundle v1", "query": query, "proof": proof, "policy": proofs["policy"]}
    return {"now_ms": found["now_ms"], "text": json.dumps(bundle, separators=(",", ":"))}


def _private(world: World) -> Vectors:
    """A delivery with a private part, and what stands behind both of its seals."""
    private = Private(
        address="嘉兴市南湖区中山路1号", contact="0573-82000000", currency="CNY",
        documents=[sha256(b"delivery note").digest()], price=129_900,
    )  # fmt: skip
    opening = opening_of(sha256(b"private").digest()[:16], private)
    found = _record(world, world.ship(MAKER, DEALER, 600, private=seal(opening)))
    return {"opening": opening.hex(), "seal": seal(opening).hex(), "of": found}


def _letter() -> Vectors:
    """Private openings from one node to another, and the answer; nonces are drawn at random otherwise."""
    keys = {name: PrivateKey(sha256(name.encode()).digest()) for name in (f"{ORIGIN}/customs", f"{ORIGIN}/regulator")}
    sender, receiver = keys
    box = Box(keys[sender], keys[receiver].public_key)
    openings = [(4711, 0, opening_of(sha256(b"private").digest()[:16], Private(price=129_900)))]
    given = GIVEN.encode(Given(openings=openings, receiver=receiver, sender=sender))
    nonce, answers = (sha256(word).digest()[: Box.NONCE_SIZE] for word in (b"nonce", b"nonce of the answer"))
    sealed = bytes(box.encrypt(given, nonce))
    taken = TAKEN.encode(Taken(nonce=nonce, receiver=sender, sender=receiver, taken=[(4711, 0)]))
    return {
        "sender": sender,
        "sender_key": bytes(keys[sender]).hex(),
        "sender_public": bytes(keys[sender].public_key).hex(),
        "receiver": receiver,
        "receiver_key": bytes(keys[receiver]).hex(),
        "receiver_public": bytes(keys[receiver].public_key).hex(),
        "given": given.hex(),
        "letter": LETTER.encode(Letter(box=sealed, sender=sender)).hex(),
        "taken": taken.hex(),
        "answer": bytes(box.encrypt(taken, answers)).hex(),
    }


def _subscription(world: World) -> Vectors:
    """All that the dealer is told."""
    events, following = Feed(world.store).read(world.store.view(world.note()), DEALER.id, 0)
    told = []
    for event in events:
        act = r.act_of_type(type(r.RECORD.decode(event.record))).name.lower()
        amounts = f"opening of {len(event.opening)} bytes" if event.opening else "no amounts"
        told.append(f"leaf {event.leaf}, record {event.index}: {act} by {event.member}, {amounts}")
    fields = [
        {"leaf": one.leaf, "index": one.index, "member": one.member, "time_ms": one.time, "record": one.record.hex(),
         "opening": one.opening.hex()}
        for one in events
    ]  # fmt: skip
    return {"member": DEALER.id, "from_leaf": 0, "next_leaf": following, "told": told, "events": fields}


def text_of(vectors: Vectors) -> str:
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


SAMPLE = re.compile(r"<!-- vector: (\S+) (.+?) -->\n```\n(.*?)\n```", re.S)


def value_at(vectors: Any, key: str) -> str:
    """`a.b[-1]`, `a.b[:10]`: the value in the vectors; lists are joined by newlines."""
    match = re.fullmatch(r"(.*?)(?:\[(-?\d*)(:?)(\d*)\])?", key)
    if match is None:
        raise ValueError(key)
    for part in match[1].split("."):
        vectors = vectors[part]
    if match[3]:
        vectors = vectors[int(match[2] or 0) : int(match[4]) if match[4] else None]
    elif match[2]:
        vectors = vectors[int(match[2])]
    return "\n".join(vectors) if isinstance(vectors, list) else str(vectors)


def _write_samples() -> None:
    """Put the vectors into the samples that the pages show; hexadecimal in lines of 96 digits."""

    def sample(match: re.Match[str]) -> str:
        value = value_at(json.loads((FOLDER / f"{match[1]}.json").read_text()), match[2])
        lines = [line for long in value.splitlines() for line in _wrapped(long)]
        return f"<!-- vector: {match[1]} {match[2]} -->\n```\n" + "\n".join(lines) + "\n```"

    for page in FOLDER.parent.glob("*.md"):
        page.write_text(SAMPLE.sub(sample, page.read_text()))


def _wrapped(line: str) -> list[str]:
    if not re.fullmatch("[0-9a-f]{97,}", line):
        return [line]
    return [line[at : at + 96] for at in range(0, len(line), 96)]


def main() -> None:
    made = {f"{name}.json": text_of(vectors) for name, vectors in make().items()}
    if "--write" in sys.argv:
        FOLDER.mkdir(exist_ok=True)
        for name, text in made.items():
            (FOLDER / name).write_text(text)
        _write_samples()
    stored = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    wrong = sorted(name for name in made.keys() | stored.keys() if made.get(name) != stored.get(name))
    print(f"{len(made)} vector files, {'all as stored' if not wrong else 'differing: ' + ', '.join(wrong)}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
