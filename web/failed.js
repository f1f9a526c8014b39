// When nothing is proven: which check failed, or why nothing could be checked, and what to do.

import { el, said, section, table } from "./dom.js";
import { moment } from "./format.js";
import { actions } from "./save.js";
import { banner } from "./verdict.js";

const OF_THE_CLOCK = "quorum";

/** A check that failed, which names what was expected and what was found; `source` is what was to be verified. */
export function failedView(words, { check, message }, source) {
  const isOfClock = check === OF_THE_CLOCK && source.nowMs !== null;
  return [
    banner("bad", words, words.failed, el("p", { class: "advice" }, words.failedAdvice)),
    section(words.failedCheck, table([
      [words.failedCheck, words.checkNames[check] ?? check],
      [words.what, el("span", { lang: "en" }, said(legible(message, check)))],
      [words.doThis, isOfClock ? words.clockDo : words.failedDo],
    ])),
    ...offer(words, source),
  ];
}

/** The verifier's own line, without the check's name, and its times as people write them. */
const legible = (message, check) =>
  message.replace(`${check}: `, "").replace(/\b1\d{12}\b/g, (time) => moment(Number(time)));

/** A browser that cannot check signatures: the proof is offered, a verdict is not. */
export function cannotView(words, reason, source) {
  return [
    banner("careful", words, words.cannot, el("p", { class: "advice" }, reason), el("p", {}, words.cannotAdvice)),
    ...offer(words, source),
  ];
}

const offer = (words, source) => (source.proof ? [section(words.trust, ...actions(words, source, Date.now()))] : []);

/** The node gave an error, told in the reader's words where it is a usual one; or none was reached. */
export function errorView(words, { code, what, expected, do: remedy }, retry) {
  const own = words.errors[code];
  const english = (text) => text && el("span", { lang: "en" }, said(text));
  return [
    banner("careful", words, words.unreachable, el("p", { class: "advice" }, own ?? english(what))),
    section(words.doThis, table([
      [words.doThis, remedy && !own ? english(remedy) : words.unreachableDo],
      [words.expected, english(expected)],
      [words.said, own && english(what)],
    ]), el("p", { class: "buttons" }, el("button", { type: "button", class: "primary", click: retry }, words.retry))),
  ];
}
