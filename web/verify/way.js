// Step 6: the way, from the position that was asked for back to where the goods began.

import { same } from "./bytes.js";
import { expect } from "./errors.js";
import { positionPath, wayPath } from "./mapproof.js";
import { LIMITS, PositionEntry, Way } from "./schema.js";
import { BEFORE, IN_FORCE_BEFORE, finding, ofBits } from "./verdict.js";

const NOT_FOLLOWED = ["RETURN", "CORRECT"];
const FROM_POSITIONS = ["HANDOVER", "MOVE", "RELABEL"];

export const keeperOf = (site) => site.split("/", 1)[0];

const keyOf = (name) => JSON.stringify(name);
const check = (condition, what) => expect(condition, "way", what);

/** Every position on the way, the one asked for ([lot, owner, site]) first, each once. */
export function follow(evidence, subjects, start) {
  const todo = [start];
  const visited = new Map();
  const atHand = new Map([[keyOf(start), start]]); // these goods themselves, and not what they were made of
  for (const name of todo) {
    if (visited.has(keyOf(name))) continue;
    if (visited.size >= LIMITS.PATH_POSITIONS_MAX) {
      subjects.find("WAY_SHOWN_IN_PART", start[0], "more positions than are shown");
      break;
    }
    const { position, sources } = visit(evidence, subjects, name);
    visited.set(keyOf(name), position);
    todo.push(...sources);
    if (!atHand.has(keyOf(name))) continue;
    for (const source of sources) if (isSameGoods(source, position)) atHand.set(keyOf(source), source);
  }
  for (const lot of new Set([...atHand.values()].map(([lot]) => lot))) subjects.expiry(lot);
  const way = [...visited.values()];
  const isWhole = todo.every((name) => visited.has(keyOf(name)));
  before(subjects, way, isWhole);
  keepers(subjects, way);
  return way;
}

/** Whether goods came from there as they are: of the same lot, or of one that they were relabelled from. */
function isSameGoods([lot], position) {
  const relabelled = position.ways.filter((way) => way.kind === "RELABEL").map((way) => way.newest[0].record);
  return lot === position.lot || relabelled.some((record) => record.act === "RELABEL" && record.lot === lot);
}

/** Every position shown says whether its claims are open and it is held still. What was so when the goods left counts
 * only where they came from a position that is not shown; of claims, the rules tell that. */
function before(subjects, way, isWhole) {
  for (const { lot, site, entry, ways } of way) {
    const isEnd = ways.some((one) => NOT_FOLLOWED.includes(one.kind));
    const counted = (isWhole ? 0 : BEFORE) | (isEnd ? IN_FORCE_BEFORE : 0);
    subjects.findings.push(...ofBits(entry.bits & counted, `${lot} at ${site}`));
  }
}

function visit(evidence, subjects, name) {
  const [lot, owner, site] = name;
  const path = positionPath(...name);
  const entry = evidence.entry(path, PositionEntry, "position", ...name);
  const isHere = entry !== null && entry.lot === lot && entry.owner === owner && entry.site === site;
  expect(isHere, "position", `${owner} is not proven to have held ${lot} at ${site}`);
  subjects.family(lot);
  subjects.findings.push(...ofBits(entry.bits & ~BEFORE, `${lot} at ${site}`));
  subjects.note(path, `${lot} at ${site}`, entry.adverse, entry.facts);
  evidence.member(owner);
  evidence.member(keeperOf(site));
  const siteEntry = subjects.site(site);
  const into = { lot, owner, site };
  const found = waysOf(evidence, path, entry).map((way) => wayIn(evidence, into, way));
  late(subjects, `${lot} at ${site}`, found.flatMap((one) => one.shown.newest));
  check(found.length > 0, `the position of ${owner} at ${site} has no way in`);
  const position = { ...into, entry, site_entry: siteEntry, ways: found.map((one) => one.shown) };
  return { position, sources: found.flatMap((one) => one.sources) };
}

/** What came by acts that were booked later than any monthly book comes. */
function late(subjects, subject, newest) {
  for (const { element, record, member } of newest) {
    if (element.time - record.at <= LIMITS.BOOKED_LATE_MS_MIN) continue;
    subjects.find("FACTS_NOTED", subject, `${member} booked its ${element.act.toLowerCase()} late`);
  }
}

/** Title moves by its owners' word. Where another keeps the goods and has signed nothing that is shown of their
 * coming, staying or going, say so. */
function keepers(subjects, way) {
  const shown = way.flatMap((position) => position.ways).flatMap((one) => one.newest);
  const ships = shown.filter(({ record }) => record.act === "SHIP");
  const sent = new Set(ships.map(({ record, member }) => keyOf([record.lot, record.owner || member, record.site, member])));
  for (const { lot, owner, site, ways } of way) {
    const keeper = keeperOf(site);
    const subject = `${lot} at ${site}`;
    const signed = new Set(ways.flatMap((one) => one.newest).map((one) => one.member)).add(owner);
    for (const noted of subjects.facts) if (noted.subject === subject) signed.add(noted.signed.member);
    if (!signed.has(keeper) && !sent.has(keyOf([lot, owner, site, keeper]))) {
      subjects.findings.push(finding("FACTS_NOTED", subject, `its keeper ${keeper} has not signed for it`));
    }
  }
}

/** All ways in that the entry counts: those inline, and those with an entry of their own. */
function waysOf(evidence, path, entry) {
  const ways = [...entry.ways];
  const first = LIMITS.SOURCES_INLINE_MAX;
  for (let number = first; number < first + (entry.more_ways ?? 0); number++) {
    const way = evidence.entry(wayPath(path, number), Way, "way", number);
    check(way !== null, `way in ${number} is counted but not proven`);
    ways.push(way);
  }
  return ways;
}

/** One source of a position: its newest delivery, how many elements stood before it, and where it came from. */
function wayIn(evidence, into, way) {
  const { kind, count } = way;
  const { length } = way.newest;
  const expected = kind === "HANDOVER" || kind === "RETURN" ? 2 : 1;
  check(length === expected && count >= length, `a way in by ${kind.toLowerCase()} shows ${length} records`);
  const newest = way.newest.map((element) => evidence.signed(element));
  const sources = SOURCES[kind](into, newest);
  if (FROM_POSITIONS.includes(kind)) {
    const isSource = same(positionPath(...sources[0]), way.source);
    check(isSource, "the sending position is not the source that the entry names");
  }
  return { shown: { kind, earlier: count - length, newest }, sources };
}

/** Each receive (or claim) matches its ship in sender, receiver and lot. */
function handover({ lot, owner, site }, [shipped, answered]) {
  const [ship, answer] = [shipped.record, answered.record];
  const isHandover = ship.act === "SHIP" && (answer.act === "RECEIVE" || answer.act === "CLAIM");
  check(isHandover, "a handover is a ship and a receive, or a ship and the claim that it answers");
  const sender = ship.owner || shipped.member;
  check(ship.lot === answer.lot && answer.lot === lot, `the handover carries ${ship.lot}, not ${lot}`);
  check(ship.to === owner && ship.to_site === site, "the ship goes to another position");
  if (answer.act === "RECEIVE") {
    check(same(answer.ship, shipped.name), "the receive answers another ship");
  } else {
    const isAnswer = answer.supplier === sender && answer.site === site;
    check(isAnswer, "the claim is about another supplier or site");
  }
  const movesTitle = ship.to !== sender;
  const receiver = movesTitle ? ship.to : keeperOf(ship.to_site);
  check(answered.member === receiver, "the receive is signed by another member");
  const shipper = movesTitle ? sender : keeperOf(ship.site);
  check(shipped.member === shipper, "the ship is signed by another member");
  return [[lot, sender, ship.site]];
}

/** Goods that came back: counted, and not followed, since the way leads through here already. */
function returned(into, newest) {
  handover(into, newest);
  check(newest[0].record.returns === true, "the ship is no return");
  return [];
}

function move({ lot, owner, site }, [{ record, member }]) {
  check(record.act === "MOVE", "a move is shown by another record");
  const isHere = record.lot === lot && record.to_site === site && member === owner;
  check(isHere, "the move is of another position");
  return [[lot, owner, record.site]];
}

function relabel({ lot, owner, site }, [{ record, member }]) {
  check(record.act === "RELABEL", "a relabelling is shown by another record");
  const isHere = record.to_lot === lot && member === owner && record.site === site;
  check(isHere, "the relabelling is of another position");
  return [[record.lot, owner, site]];
}

/** By one signature: commission, enter, claim and taking back by the owner, a count by its owner or keeper. */
function begin({ lot, owner, site }, [{ record, member }]) {
  const isBeginning = ["COMMISSION", "ENTER", "CLAIM", "TAKE_BACK", "COUNT"].includes(record.act);
  check(isBeginning, "a beginning is shown by another record");
  const named = (record.act === "COUNT" && record.owner) || member;
  const isHere = record.lot === lot && record.site === site && named === owner;
  check(isHere, "it began at another position");
  return [];
}

/** Quantity that a correction gave back: it came in by the ways that are shown beside this one, or never left. */
function correct(into, [{ record }]) {
  check(record.act === "CORRECT", "a correction is shown by another record");
  return [];
}

function transform({ lot, owner, site }, [{ record, member }]) {
  check(record.act === "TRANSFORM", "a transformation is shown by another record");
  const isOutput = record.outputs.some((output) => output.lot === lot);
  check(isOutput, "the transformation made other lots");
  check(record.site === site && member === owner, "the transformation was done elsewhere");
  return record.inputs.map((parent) => [parent, owner, site]);
}

const SOURCES = {
  HANDOVER: handover,
  MOVE: move,
  COMMISSION: begin,
  TRANSFORM: transform,
  ENTER: begin,
  CLAIM: begin,
  COUNT: begin,
  TAKE_BACK: begin,
  CORRECT: correct,
  RELABEL: relabel,
  RETURN: returned,
};
