// Steps 3 and 5: the lot that was asked for, its ancestors, products and makers, with every adverse fact about each.

import { compareText, hex } from "./bytes.js";
import { expect } from "./errors.js";
import { ADVERSE, FACTS } from "./evidence.js";
import { lotPath, memberPath, productPath, sitePath } from "./mapproof.js";
import { FORMULA_CATEGORY, LIMITS, LotEntry, ProductEntry, SiteEntry } from "./schema.js";
import { finding, ofBits, ofScopes } from "./verdict.js";

/** The product that a lot's identifier names. */
export function productOf(lot) {
  const number = lot.indexOf("#");
  const at = number >= 0 ? number : lot.indexOf("@");
  expect(at >= 0, "lot", `${lot} is neither PRODUCT#LOT nor PRODUCT@YYYYMMDD`);
  return lot.slice(0, at);
}

/** Each lot of infant formula has its inspection report; what is imported, its quarantine certificate. */
const needsCertificate = ({ category, origin }) => category === FORMULA_CATEGORY || ![null, "CN"].includes(origin);

/** Texts without null and repetition, in order. */
const distinct = (...names) => [...new Set(names)].filter((name) => name !== null).sort(compareText);

/** Collects findings and facts while the subjects of a proof are visited, each once. */
export class Subjects {
  constructor(evidence, today) {
    this.evidence = evidence;
    this.today = today;
    this.findings = [];
    this.facts = [];
    this.products = new Map();
    this.scopes = new Map();
    this.sites = new Map();
    this.lots = new Map();
  }

  find(verdict, subject, detail) {
    this.findings.push(finding(verdict, subject, detail));
  }

  lotEntry(lot) {
    return this.evidence.entry(lotPath(lot), LotEntry, "lot", lot);
  }

  productEntry(product) {
    return this.evidence.entry(productPath(product), ProductEntry, "product", product);
  }

  /** The lots that a scanned code may mean: of the base item, where the code is a level of one; before that the code's
   * own, where goods were booked under it before it was declared a level. */
  scanned(product, lot) {
    const base = this.productEntry(product)?.base ?? null;
    if (base === null) return [product + lot];
    const known = [product + lot, base + lot].filter((name) => this.lotEntry(name) !== null);
    return known.length > 0 ? known : [base + lot];
  }

  /** The lot and its ancestors, breadth first; empty where the lot is proven to be unknown. */
  family(lotId) {
    const todo = [lotId];
    const seen = new Set(todo);
    const found = [];
    for (const lot of todo) {
      const entry = this.lotEntry(lot);
      const product = this.product(productOf(lot));
      if (entry === null) {
        expect(lot === lotId, "ancestor", `lot ${lot}, named as a parent, is proven to be unknown`);
        this.find("UNKNOWN_CODE", lot, "no such lot stands in the ledger");
        return [];
      }
      expect(entry.lot === lot, "lot", `the entry proven is ${entry.lot}, not ${lot}`);
      found.push(entry);
      this.lot(entry, product);
      for (const parent of entry.parents) {
        if (seen.has(parent)) continue;
        if (seen.size > LIMITS.ANCESTORS_SHOWN_MAX) {
          this.find("WAY_SHOWN_IN_PART", lot, "more ancestors than are shown");
          break;
        }
        seen.add(parent);
        todo.push(parent);
      }
    }
    return found;
  }

  lot(entry, product) {
    const { lot, commissioner } = entry;
    if (this.lots.has(lot)) return;
    this.lots.set(lot, entry);
    this.findings.push(...ofBits(entry.bits, lot));
    this.note(lotPath(lot), lot, entry.adverse, entry.facts);
    if (product !== null && needsCertificate(product) && !this.isCertified(lot)) {
      this.find("FACTS_NOTED", lot, "no inspection, test or certificate of it is shown");
    }
    const declarer = product?.declared_by === "HOLDER" ? null : product?.declarer;
    if (product !== null && ![null, product.maker, declarer].includes(commissioner)) {
      this.find("NOT_COMMISSIONED_BY_MAKER", lot, `by ${commissioner}`);
    }
    for (const maker of distinct(commissioner, product?.maker ?? null)) {
      this.findings.push(...ofScopes(this.scopesOfMember(maker), entry, maker));
    }
    for (const name of product === null ? [] : [product.product, product.base]) {
      if (name === null || this.product(name) === null) continue;
      this.findings.push(...ofScopes(this.scopes.get(name), entry, name));
    }
  }

  isCertified(lot) {
    return this.facts.some(({ subject, adverse, signed: { record } }) => {
      const isOwn = subject === lot && !adverse && record.act === "FACT";
      return isOwn && ["INSPECT", "TEST", "CERTIFY"].includes(record.kind);
    });
  }

  /** Of the goods at hand: that an ingredient would be past its date by now says nothing. */
  expiry(lot) {
    const entry = this.lotEntry(lot);
    if (entry !== null && entry.expiry !== null && entry.expiry < this.today) {
      this.find("EXPIRED", lot, `best before ${entry.expiry}`);
    }
  }

  product(product) {
    if (this.products.has(product)) return this.products.get(product);
    const entry = this.productEntry(product);
    if (entry === null) return null;
    expect(entry.product === product, "product", `the entry proven is ${entry.product}, not ${product}`);
    this.products.set(product, entry);
    this.scopes.set(product, this.note(productPath(product), product, entry.adverse, entry.facts));
    for (const member of distinct(entry.maker, entry.declarer)) this.evidence.member(member);
    return entry;
  }

  /** A site on the way, with the facts about it; each site once. */
  site(site) {
    if (!this.sites.has(site)) {
      const entry = this.evidence.entry(sitePath(site), SiteEntry, "site", site);
      this.sites.set(site, entry);
      if (entry !== null) this.note(sitePath(site), site, entry.adverse, entry.facts);
    }
    return this.sites.get(site);
  }

  scopesOfMember(member) {
    const entry = this.evidence.member(member);
    if (!this.scopes.has(member)) this.scopes.set(member, this.note(memberPath(member), member, entry.adverse, null));
    return this.scopes.get(member);
  }

  /** Takes in the facts about a subject: the adverse ones whole, the newest of the others. */
  note(path, subject, adverse, facts) {
    const bad = this.evidence.chain(path, ADVERSE, adverse);
    const other = this.evidence.chain(path, FACTS, facts, LIMITS.FACTS_SHOWN_MAX);
    this.facts.push(...bad.map((signed) => ({ subject, adverse: true, signed })));
    this.facts.push(...other.map((signed) => ({ subject, adverse: false, signed })));
    if (bad.some((signed) => signed.record.act === "FACT")) this.find("ADVERSE_FACT", subject);
    else if (bad.length > 0) this.find("FACTS_NOTED", subject);
    return bad;
  }

  /** Members that took part and are suspended now; keys that signed since they may have been in wrong hands. */
  signers() {
    for (const { member, key } of this.evidence.suspect.values()) {
      this.find("KEY_SUSPECT", member, `a key of it, ${key.label || hex(key.key).slice(0, 16)}`);
    }
    for (const member of this.evidence.members.values()) {
      if (member.suspended !== null) this.find("MEMBER_SUSPENDED", member.member, member.name);
    }
  }
}
