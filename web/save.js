// Taking it along: a file that verifies itself, the proof for other programs, and the command that reads it.

import { el, plain, said } from "./dom.js";
import { moment } from "./format.js";
import { formatBundle, hex, proofFile } from "./verify/index.js";

/** Where a saved file holds what it shows; readers of saved files look for this. (The backslashes keep this script whole
 * where it stands in a page itself.) */
const PLACE = "<\!--bundle-->";
const embedded = (json) => `<\script type="application/json" id="bundle">${json.replaceAll("<", "\\u003c")}<\/script>`;

async function saveFile(source, asOfMs) {
  const answer = await fetch("/web/saved.html");
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const template = await answer.text();
  const page = template.replace(PLACE, () => embedded(formatBundle(source)));
  download(`${fileName(source.query)}-${moment(asOfMs).replace(/\D/g, "")}.html`, "text/html", page);
}

const downloadProof = (query, proof) =>
  download(`${fileName(query)}.suyuan-proof`, "application/octet-stream", proofFile(proof));

const fileName = ({ product, lot }) => `suyuan-${product}-${lot}`.replace(/[^\w-]+/g, "_");

function download(name, type, ...parts) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = el("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The buttons, and what went wrong with saving. */
export function actions(words, source, asOfMs) {
  const { query, proof, mode } = source;
  const failed = el("p", { role: "alert", class: "small" });
  const save = async () => {
    try {
      await saveFile(source, asOfMs);
    } catch (error) {
      failed.replaceChildren(words.saveFailed.replace("{why}", plain(error.message)));
    }
  };
  return [
    el("p", { class: "buttons" },
      mode === "served" ? el("button", { type: "button", id: "save", class: "primary", click: save }, words.save) : null,
      el("button", { type: "button", id: "download", click: () => downloadProof(query, proof) }, words.download)),
    failed,
    command(words, query),
  ];
}

function command(words, query) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const opens = query.voucher ? ` --voucher ${hex(query.voucher)}` : query.site ? ` --site ${quoted(query.site)}` : "";
  const line = `suyuan verify ${quoted(query.product + query.lot)}${opens} --policy policy.txt --file ${fileName(query)}.suyuan-proof`;
  return [el("p", { class: "small" }, words.link), el("pre", { tabindex: "0" }, said(line))];
}
