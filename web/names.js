// What subjects are called: the ledger names them by identifiers, people by names.

import { plain } from "./dom.js";
import { day, region } from "./format.js";

/** What is shown: a verified product, what was asked for, and in which language. */
export class View {
  constructor(words, product, { query, closed, serial, meant }) {
    this.words = words;
    this.product = product;
    this.query = query;
    this.closed = closed; // the way was asked for, and nothing opened it
    this.serial = serial;
    this.meant = meant; // of an unknown lot, other forms of its number that are known: [{number, path}]
    this.sites = new Map(product.way.filter((stop) => stop.site_entry).map((stop) => [stop.site, stop.site_entry]));
  }

  member(id) {
    return plain(this.product.members[id]?.name ?? id);
  }

  kindOf(id) {
    return this.words.kinds[this.product.members[id]?.kind] ?? "?";
  }

  regionOf(member) {
    const known = this.product.members[member];
    return known ? region(known.region, this.words.language) : "";
  }

  /** A site by its name, with its keeper's where that is another. */
  site(id) {
    const [keeper, code] = id.split("/");
    const name = this.sites.get(id)?.name;
    const known = name ? plain(name) : code === "main" ? "" : plain(code ?? "");
    return known && known !== this.member(keeper) ? `${this.member(keeper)} ${known}` : this.member(keeper);
  }

  productEntry(lot) {
    return this.product.products[splitLot(lot)[0]];
  }

  productName(id) {
    return plain(this.product.products[id]?.name ?? id);
  }

  /** A lot number as it is printed on the pack, or the date that stands in for it. */
  printed(lot) {
    const rest = splitLot(lot)[1];
    return rest.startsWith("#") ? plain(rest.slice(1)) : this.lotNumber(lot);
  }

  /** The same in a sentence. */
  lotNumber(lot) {
    const rest = splitLot(lot)[1];
    if (rest.startsWith("@")) return this.words.madeOn.replace("{day}", day(rest.slice(1)));
    return this.words.batch.replace("{lot}", () => plain(rest.slice(1)));
  }

  lot(lot) {
    const values = { product: this.productName(splitLot(lot)[0]), lot: this.lotNumber(lot) };
    return this.words.lotOf.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  /** Subjects of findings and facts: a lot, a lot at a site, a product, a member, a site. */
  subject(text) {
    const at = text.indexOf(" at ");
    if (at > 0) {
      const values = { lot: this.lot(text.slice(0, at)), site: this.site(text.slice(at + 4)) };
      return this.words.at.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }
    if (/[#@]/.test(text)) return this.lot(text);
    if (this.product.products[text]) return this.productName(text);
    if (this.product.members[text]) return this.member(text);
    return text.includes("/") ? this.site(text) : plain(text);
  }

  /** Whether a subject is an ingredient of the goods at hand, or lies at a stop of one. */
  isIngredient(text) {
    const lot = text.split(" at ")[0];
    const [own] = this.product.lots;
    return own !== undefined && lot !== own.lot && this.product.lots.some((entry) => entry.lot === lot);
  }
}

/** [product, rest]: the rest begins with `#` (lot number) or `@` (production date). */
export function splitLot(lot) {
  const at = lot.search(/[#@]/);
  return at < 0 ? [lot, ""] : [lot.slice(0, at), lot.slice(at)];
}
