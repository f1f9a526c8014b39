// What a product proof proves before anything is concluded: entries, signed records, complete chains.

import { concat, hex, same, uint, utf8 } from "./bytes.js";
import { VerifyFailed, checking, expect } from "./errors.js";
import { keyPath, memberPath } from "./mapproof.js";
import { leafHash, tagged, verifyInclusion } from "./merkle.js";
import { decode } from "./msgpack.js";
import { ACTS, EnvelopeHeader, KeyEntry, LIMITS, MemberEntry, Record } from "./schema.js";

const ENVELOPE = utf8("suyuan/envelope\0");
const envelopeDigest = tagged("signed");
const signedRecord = tagged("signed-record");
const chainHash = tagged("chain");

export const ADVERSE = utf8("a");
export const FACTS = utf8("f");

const chainKey = (path, name) => `${hex(path)} ${hex(name)}`;
const placeKey = (leaf, index) => `${leaf} ${index}`;
const keyName = (header) => `${header.member} ${hex(header.key)}`;

/** h(n) = H(tag, h(n-1), act, block time, leaf index, record index, signed record). */
function chainNext(head, { act, time, leaf, index, signed }) {
  return chainHash(head, uint(ACTS[act], 1), uint(time, 8), uint(leaf, 8), uint(index, 4), signed);
}

/** The proven entries, and the records that were checked against them (steps 3 to 5). `suspect` are the keys that
 * signed a record shown when they may have been in wrong hands. `seen` keeps what was checked, for the reader. */
export class Evidence {
  constructor(shown, proven, header, signatures) {
    this.header = header;
    this.position = shown.position;
    this.proven = proven;
    this.signatures = signatures;
    this.hashes = shown.hashes;
    this.members = new Map();
    this.suspect = new Map();
    this.seen = { entries: new Map(), envelopes: [], records: shown.records.length, chains: [] };
    this.chains = new Map(shown.chains.map((chain) => [chainKey(chain.path, chain.name), chain]));
    this.envelopes = shown.envelopes.map((envelope) => this.envelope(envelope));
    this.keys = new Map(this.envelopes.map(({ header, key }) => [keyName(header), key]));
    this.records = new Map();
    for (const record of shown.records) this.add(record);
  }

  /** The proven entry at `path`, or null where its absence is proven. `subject` says of what, for the reader. */
  entry(path, schema, ...subject) {
    const key = hex(path);
    let known = this.seen.entries.get(key);
    if (known === undefined) {
      const value = this.proven.value(path);
      known = { subject, entry: value === null ? null : checking("entry", () => decode(schema, value)) };
      this.seen.entries.set(key, known);
    }
    return known.entry;
  }

  member(member) {
    let entry = this.members.get(member);
    if (entry === undefined) {
      entry = this.entry(memberPath(member), MemberEntry, "member", member);
      expect(entry !== null, "member", `${member} is proven to be no member`);
      this.members.set(member, entry);
    }
    return entry;
  }

  /** Step 4: the header's signature, under a key of that member. */
  envelope(shown) {
    const header = checking("envelope", () => decode(EnvelopeHeader, shown.header));
    expect(same(header.chain, this.header.chain), "envelope", "it was signed for another chain");
    const key = this.entry(keyPath(header.member, header.key), KeyEntry, "key", header.member, hex(header.key));
    const isKey = key !== null && key.member === header.member;
    expect(isKey, "envelope", `${header.member} has no key ${hex(header.key)}`);
    this.signatures.check(key.key, concat(ENVELOPE, shown.header), shown.signature);
    this.member(header.member);
    this.seen.envelopes.push({ leaf: shown.leaf, header, signature: shown.signature });
    return { leaf: shown.leaf, header, key, digest: envelopeDigest(shown.header, shown.signature) };
  }

  add(shown) {
    const { length } = this.envelopes;
    expect(shown.envelope < length, "record", `names envelope ${shown.envelope} of ${length}`);
    const { leaf, header, digest } = this.envelopes[shown.envelope];
    const name = leafHash(shown.record);
    const beyond = shown.path.some((number) => number >= this.hashes.length);
    expect(!beyond, "record", `its path names a hash beyond the ${this.hashes.length} shown`);
    const path = shown.path.map((number) => this.hashes[number]);
    verifyInclusion(name, shown.index, header.count, path, header.root);
    const record = checking("record", () => decode(Record, shown.record));
    this.records.set(placeKey(leaf, shown.index), { record, header, name, signed: signedRecord(digest, name) });
  }

  /** The record of a chain's element, signed by a key that was valid at the element's time. */
  signed(element) {
    const place = `record ${element.index} of leaf ${element.leaf}`;
    const found = this.records.get(placeKey(element.leaf, element.index));
    expect(found !== undefined, "record", `${place}, which a chain counts, is not shown`);
    const { record, header, name } = found;
    const isCounted = same(found.signed, element.signed) && record.act === element.act;
    expect(isCounted, "record", `${place} is not the one that the chain counts, as it was signed`);
    const { time } = element;
    const key = this.keys.get(keyName(header));
    const ended = key.revoked !== null && time >= key.revoked;
    const retired = key.retired !== null && time > key.retired + LIMITS.RETIRED_KEY_GRACE_MS;
    const isValid = time >= key.admitted && !ended && !retired;
    expect(isValid, "key", `key ${hex(header.key)} of ${header.member} was not valid at ${time}`);
    if (key.suspect_from !== null && time >= key.suspect_from) {
      this.suspect.set(keyName(header), { member: header.member, key });
    }
    return { element, name, record, member: header.member };
  }

  /** Step 5: the list behind a chain head, whole, or its `newest` elements. */
  chain(path, name, chain, newest = Infinity) {
    const shown = this.chains.get(chainKey(path, name));
    const which = `chain ${String.fromCharCode(...name)} of ${hex(path)}`;
    if (chain === null) {
      expect(shown === undefined, "chain", `a list is shown for ${which}, which is empty`);
      return [];
    }
    expect(shown !== undefined, "chain", `${which} counts ${chain.count}, no list is shown`);
    const skipped = Math.max(0, chain.count - newest);
    const { elements } = shown;
    if (shown.skipped !== skipped || skipped + elements.length !== chain.count) {
      const counts = `counts ${chain.count}: ${chain.count - skipped} must be shown, ${elements.length} are`;
      throw new VerifyFailed("chain", `${which} ${counts}`);
    }
    const head = elements.reduce(chainNext, skipped === 0 ? chainHash(path, name) : shown.before);
    expect(same(head, chain.head), "chain", `the list shown for ${which} is not the one counted`);
    this.seen.chains.push({ path, name, count: chain.count, shown: elements.length });
    return elements.map((element) => this.signed(element));
  }
}
