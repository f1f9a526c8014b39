// The verifier site: takes a saved page, a JSON bundle, a proof file or a scanned link, and verifies it under the
// policy that the site carries.

import { el, leading, plain } from "./dom.js";
import { policyView } from "./checks.js";
import { asked, scanned } from "./link.js";
import { positionIn, readBundle, readProofFile } from "./verify/index.js";

const MAGIC = "suyuan product proof v1\n";
const SAVED = /<[s]cript type="application\/json" id="bundle">([^<]*)<\/script>/;
const FILE_BYTES_MAX = 24 * 1024 * 1024; // the largest proof, in base64 within a page

export function openView(words, policy, found) {
  const code = el("input", { id: "code", name: "code", type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false" });
  const file = el("input", { id: "file", name: "file", type: "file", accept: ".html,.json,.suyuan-proof,application/octet-stream" });
  const told = el("p", { id: "told", role: "alert" });
  const attempt = async (step) => {
    told.replaceChildren();
    try {
      await found(await step());
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      told.replaceChildren(plain(error.tell(words)));
    }
  };
  const choose = (chosen) => attempt(() => ofFile(chosen, code.value));
  const drop = (event) => {
    event.preventDefault();
    if (event.type === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  };
  const fetchLink = (event) => {
    event.preventDefault();
    if (file.files.length && !/^https?:/.test(code.value.trim())) choose(file.files[0]);
    else attempt(() => ofLink(code.value));
  };
  file.addEventListener("change", () => file.files.length && choose(file.files[0]));
  return [leading(words.open,
    el("p", {}, words.openWhy),
    el("form", { submit: fetchLink },
      el("div", { class: "drop", dragover: drop, drop },
        el("p", {}, el("label", { for: "file" }, words.openFile), file), el("p", { class: "small", "aria-hidden": "true" }, words.openDrop)),
      el("p", {}, el("label", { for: "code" }, words.openLink), code),
      el("p", { class: "small" }, words.openCode),
      told,
      el("p", { class: "buttons" }, el("button", { type: "submit", class: "primary" }, words.openGo))),
    policyView(words, policy))];
}

/** What was given cannot be read; told in the reader's language. */
class Unreadable extends Error {
  constructor(tell) {
    super("unreadable");
    this.tell = tell;
  }
}

const unreadable = (why) => new Unreadable((words) => words.openNot.replace("{why}", why));

/** {query, proof} of a file; `code` is what was scanned, where it was typed in. */
async function ofFile(file, code) {
  if (file.size > FILE_BYTES_MAX) throw unreadable(`${file.size} > ${FILE_BYTES_MAX} bytes`);
  const data = new Uint8Array(await file.arrayBuffer());
  const scan = code.trim() ? whole(code) : null;
  if (startsWith(data, MAGIC)) {
    if (!scan) throw new Unreadable((words) => words.openCode);
    const proof = reading(() => readProofFile(data));
    return { query: asked(scan, reading(() => positionIn(proof)) ?? {}), proof };
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(data); // JSON has no byte order mark
  return ofBundle(SAVED.exec(text)?.[1] ?? text, scan);
}

/** What was scanned names product and lot, or there is nothing that the file could be compared with. */
function whole(code) {
  const scan = scanned(code);
  if (!scan?.product || !scan.lot) throw new Unreadable((words) => words.openCodeNot);
  return scan;
}

function ofBundle(text, scan) {
  const read = reading(() => readBundle(text));
  return scan ? { ...read, query: asked(scan, read.query) } : read;
}

function reading(step) {
  try {
    return step();
  } catch (error) {
    throw unreadable(error.message);
  }
}

/** Asks the node that a link names. The question stays that of the link. */
async function ofLink(link) {
  const scan = whole(link);
  if (!/^https?:\/\//.test(link.trim())) throw unreadable(link.slice(0, 80));
  const address = new URL(link.trim());
  let answer;
  try {
    answer = await fetch(address, { headers: { accept: "application/json" }, credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (error) {
    throw new Unreadable((words) => words.openCors.replace("{host}", address.host).replace("{why}", error.message));
  }
  const text = await answer.text();
  if (!answer.ok) throw new Unreadable((words) => words.openCors.replace("{host}", address.host).replace("{why}", `HTTP ${answer.status}`));
  return { ...ofBundle(text, scan), live: true };
}

function startsWith(data, text) {
  return Array.from(text).every((character, at) => data[at] === character.charCodeAt(0));
}
