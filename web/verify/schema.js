// Generated from ledger/ by scripts/generate. Do not edit.

import { array, bool, bytes, int, list, map, oneOf, optional, text, union } from "./msgpack.js";

export const LIMITS = {
  ANCESTORS_SHOWN_MAX: 256,
  BOOKED_LATE_MS_MIN: 3888000000,
  BUCKET_ENTRIES_MAX: 8,
  FACTS_SHOWN_MAX: 64,
  NOTE_BYTES_MAX: 65536,
  NOTE_SIGNATURES_MAX: 64,
  PATH_POSITIONS_MAX: 64,
  POLICY_CHARS_MAX: 1048576,
  POLICY_GROUP_ENTRIES_MAX: 64,
  POLICY_GROUP_LEVELS_MAX: 8,
  POLICY_NEEDED_CHARS_MAX: 4,
  PROOF_BYTES_MAX: 4194304,
  RETIRED_KEY_GRACE_MS: 1209600000,
  SOURCES_INLINE_MAX: 8,
  TIME_MS_MAX: 253402300799999,
  WITNESS_WINDOW_MS: 600000,
};
export const ACTS = { REGISTER: 1, ADMIT: 2, SUSPEND: 3, SITE: 4, KEY: 5, COMMISSION: 10, TRANSFORM: 11, ENTER: 12, COUNT: 13, PACK: 14, UNPACK: 15, SHIP: 20, RECEIVE: 21, WITHDRAW: 22, CLAIM: 23, DISPUTE: 24, MOVE: 25, SELL: 30, TAKE_BACK: 31, DESTROY: 32, FACT: 40, HOLD: 41, RECALL: 42, CLOSE: 43, LIFT: 44, VOUCHER: 50, CORRECT: 51, RELABEL: 52, POLICY: 60 };
export const BITS = { HELD: 1, RECALLED: 2, FAILED_TEST: 4, BREACHED: 8, OPEN_CLAIM: 16, DISPUTED_CLAIM: 32, ONE_SIGNATURE: 64, REENTRY: 128, NOT_COMMISSIONED: 256, ANCESTRY_IN_PART: 512, ADVERSE_FACT: 1024, MORE_OUT_THAN_IN: 2048, WEIGHT_LOST: 4096, OPEN_CLAIM_BEFORE: 8192, DISPUTED_CLAIM_BEFORE: 16384, HELD_BEFORE: 32768, RECALLED_BEFORE: 65536, OPEN_CLAIM_BEHIND: 131072, DISPUTED_CLAIM_BEHIND: 262144 };
export const VERDICTS = { GOOD: 0, FACTS_NOTED: 1, WAY_SHOWN_IN_PART: 2, SUPPLIER_NOT_CONFIRMED: 3, ENTERED_BY_ONE_SIGNATURE: 4, NOT_COMMISSIONED_BY_MAKER: 5, MEMBER_SUSPENDED: 6, KEY_SUSPECT: 7, ADVERSE_FACT: 8, DISPUTED: 9, BREACHED_ON_THE_WAY: 10, FAILED_TEST: 11, EXPIRED: 12, HELD: 13, RECALLED: 14, UNKNOWN_CODE: 15 };
export const OF_BITS = [["RECALLED", "RECALLED"], ["RECALLED_BEFORE", "RECALLED"], ["HELD", "HELD"], ["HELD_BEFORE", "HELD"], ["FAILED_TEST", "FAILED_TEST"], ["BREACHED", "BREACHED_ON_THE_WAY"], ["DISPUTED_CLAIM", "DISPUTED"], ["DISPUTED_CLAIM_BEFORE", "DISPUTED"], ["DISPUTED_CLAIM_BEHIND", "DISPUTED"], ["OPEN_CLAIM", "SUPPLIER_NOT_CONFIRMED"], ["OPEN_CLAIM_BEFORE", "SUPPLIER_NOT_CONFIRMED"], ["OPEN_CLAIM_BEHIND", "SUPPLIER_NOT_CONFIRMED"], ["ADVERSE_FACT", "ADVERSE_FACT"], ["MORE_OUT_THAN_IN", "ADVERSE_FACT"], ["NOT_COMMISSIONED", "NOT_COMMISSIONED_BY_MAKER"], ["ONE_SIGNATURE", "ENTERED_BY_ONE_SIGNATURE"], ["REENTRY", "ENTERED_BY_ONE_SIGNATURE"], ["WEIGHT_LOST", "FACTS_NOTED"], ["ANCESTRY_IN_PART", "WAY_SHOWN_IN_PART"]];
export const FORMULA_CATEGORY = "129";
const b32_32 = bytes(32, 32);
const b = bytes();
const i0_max = int(0, 9007199254740991);
const Act = oneOf(ACTS);
const i0_time = int(0, 253402300799999);
const i0_4095 = int(0, 4095);
const Element = array({ act: Act, time: i0_time, leaf: i0_max, index: i0_4095, signed: b32_32 });
const ShownChain = array({ path: b32_32, name: b, skipped: i0_max, before: b32_32, elements: list(Element) });
const b64_64 = bytes(64, 64);
const ShownEnvelope = array({ leaf: i0_max, header: b, signature: b64_64 });
const t2_32 = text(2, 32);
const t3_32 = text(3, 32);
const t3_64 = text(3, 64);
const PositionName = array({ owner: t3_32, site: t3_64 });
const ShownRecord = array({ envelope: i0_max, index: i0_max, record: b, path: list(i0_max, 0, 16) });
const Step = map({ checkpoint: b, header: b, header_proof: list(b32_32, 0, 64), map: b });
export const ProductProof = map({ chains: list(ShownChain), checkpoint: b, envelopes: list(ShownEnvelope), hashes: list(b32_32), header: b, header_proof: list(b32_32, 0, 64), lot: t2_32, map: b, position: optional(PositionName), product: t3_64, records: list(ShownRecord), steps: optional(list(Step, 0, 64), []) });
const i1_max = int(1, 9007199254740991);
export const BlockHeader = map({ chain: b32_32, count: i1_max, first: i0_max, height: i1_max, previous: b32_32, rules: i1_max, state: b32_32, time: i0_time, writes: b32_32 });
const i1_4096 = int(1, 4096);
const b8_8 = bytes(8, 8);
export const EnvelopeHeader = map({ chain: b32_32, count: i1_4096, key: b8_8, member: t3_32, not_after: i0_time, root: b32_32, time: i0_time });
const Chain = array({ count: i0_max, head: b32_32 });
const t1_32 = text(1, 32);
const i1_1000000 = int(1, 1000000);
const DeclaredBy = oneOf({ MAKER: 1, IMPORTER: 2, HOLDER: 3 });
const t1_128 = text(1, 128);
const t = text();
const im273150_200000 = int(-273150, 200000);
const i0_1000 = int(0, 1000);
export const ProductEntry = map({ adverse: optional(Chain), base: optional(t3_64), category: optional(t1_32), closed: optional(bool), contains: optional(i1_1000000), declared_by: DeclaredBy, declarer: t3_32, facts: optional(Chain), grams: optional(i1_1000000), in_force: optional(i0_max), licence: optional(t1_32), maker: optional(t3_32), name: t1_128, origin: optional(t), product: t3_64, registration: optional(t1_32), shelf_days: optional(i0_max), specification: optional(t1_128), temp_max_mc: optional(im273150_200000), temp_min_mc: optional(im273150_200000), tolerance_permille: optional(i0_1000) });
const i19000101_99991231 = int(19000101, 99991231);
export const LotEntry = map({ adverse: optional(Chain), ancestors: optional(i0_max), bits: optional(i0_max, 0), commissioner: optional(t3_32), expiry: optional(i19000101_99991231), facts: optional(Chain), holders: optional(Chain), lot: t3_64, parents: optional(list(t3_64), []), production: optional(i19000101_99991231), serials: optional(b32_32), stated: optional(list(i19000101_99991231), []) });
const WayKind = oneOf({ HANDOVER: 1, MOVE: 2, COMMISSION: 3, TRANSFORM: 4, ENTER: 5, CLAIM: 6, COUNT: 7, TAKE_BACK: 8, CORRECT: 9, RELABEL: 10, RETURN: 11 });
export const Way = array({ kind: WayKind, source: b, count: i0_max, before: b32_32, newest: list(Element) });
export const PositionEntry = map({ adverse: optional(Chain), bits: optional(i0_max, 0), facts: optional(Chain), lot: t3_64, more_ways: optional(i0_max), owner: t3_32, site: t3_64, voucher: optional(b32_32), ways: optional(list(Way), []) });
const MemberKind = oneOf({ ENTERPRISE: 1, PERSON: 2, REGULATOR: 3, DEPARTMENT: 4, LAB: 5, CARRIER: 6 });
export const MemberEntry = map({ admitted: i0_time, adverse: optional(Chain), facts: optional(Chain), in_force: optional(i0_max), kind: MemberKind, member: t3_32, name: t1_128, region: t1_32, suspended: optional(i0_time) });
const i1_255 = int(1, 255);
const KeyLimits = map({ acts: optional(list(i1_255, 1, 32)), sites: optional(list(t3_64, 1, 32)), until: optional(i0_time) });
export const KeyEntry = map({ admitted: i0_time, key: b32_32, label: optional(t1_128), limits: optional(KeyLimits), member: t3_32, retired: optional(i0_time), revoked: optional(i0_time), suspect_from: optional(i0_time) });
export const SiteEntry = map({ adverse: optional(Chain), closed: optional(i0_time), facts: optional(Chain), name: t1_128, public: optional(bool), region: t1_32, site: t3_64 });
const Validator = map({ consensus: b32_32, key: b32_32, log: b32_32, name: t1_128 });
export const PolicyEntry = map({ beyond: optional(i0_max), chain: b32_32, expires: optional(i0_time), number: i0_max, rules: i1_max, validators: list(Validator, 1, 32) });
const t2_2 = text(2, 2);
const i1_36500 = int(1, 36500);
const t1_512 = text(1, 512);
const KeyChange = oneOf({ ADMIT: 1, RETIRE: 2, REVOKE: 3 });
const Output = map({ expiry: optional(i19000101_99991231), lot: t3_64, production: i19000101_99991231 });
const CountKind = oneOf({ OPENING: 1, PERIODIC: 2, RECALL: 3 });
const SaleTo = oneOf({ CONSUMER: 1, BUSINESS: 2, GIFT: 3, OWN_USE: 4, SAMPLE: 5 });
const DestroyReason = oneOf({ EXPIRED: 1, DAMAGED: 2, RECALLED: 3, TESTED: 4, OTHER: 5 });
const FactKind = oneOf({ INSPECT: 1, TEST: 2, CERTIFY: 3, MEASURE: 4, NOTE: 5 });
const SubjectKind = oneOf({ LOT: 1, POSITION: 2, HANDOVER: 3, PRODUCT: 4, MEMBER: 5, SITE: 6 });
const Subject = map({ kind: SubjectKind, lot: optional(t3_64), member: optional(t3_32), owner: optional(t3_32), product: optional(t3_64), ship: optional(b32_32), site: optional(t3_64), to: optional(t3_32) });
const i0_31622400 = int(0, 31622400);
const Window = map({ count: i1_1000000, device: t1_32, gap_s: i0_31622400, max_mc: im273150_200000, mean_mc: im273150_200000, min_mc: im273150_200000, series: b32_32, start: i0_time, until: i0_time });
const i1_3 = int(1, 3);
const Approval = map({ name: t1_128, signature: b64_64 });
export const Record = union("act", [
  [1, "REGISTER", { at: i0_time, base: optional(t3_64), category: optional(t1_32), closed: optional(bool), contains: optional(i1_1000000), declared_by: DeclaredBy, grams: optional(i1_1000000), licence: optional(t1_32), maker: optional(t3_32), name: t1_128, origin: optional(t2_2), private: optional(b32_32), product: t3_64, registration: optional(t1_32), shelf_days: optional(i1_36500), specification: optional(t1_128), temp_max_mc: optional(im273150_200000), temp_min_mc: optional(im273150_200000), tolerance_permille: optional(i0_1000) }],
  [2, "ADMIT", { at: i0_time, key: b32_32, kind: MemberKind, member: t3_32, name: t1_128, private: optional(b32_32), region: t1_32 }],
  [3, "SUSPEND", { at: i0_time, ended: optional(bool), member: t3_32, private: optional(b32_32), reason: t1_512 }],
  [4, "SITE", { at: i0_time, closed: optional(bool), name: t1_128, private: optional(b32_32), public: optional(bool), region: t1_32, site: t3_64 }],
  [5, "KEY", { at: i0_time, change: KeyChange, key: b32_32, label: optional(t1_128), limits: optional(KeyLimits), member: t3_32, private: optional(b32_32), suspect_from: optional(i0_time) }],
  [10, "COMMISSION", { amounts: b32_32, at: i0_time, expiry: optional(i19000101_99991231), lot: t3_64, private: optional(b32_32), production: i19000101_99991231, serials: optional(b32_32), site: t3_64 }],
  [11, "TRANSFORM", { amounts: b32_32, at: i0_time, inputs: list(t3_64, 1, 64), outputs: list(Output, 1, 64), private: optional(b32_32), site: t3_64 }],
  [12, "ENTER", { amounts: b32_32, at: i0_time, expiry: optional(i19000101_99991231), lot: t3_64, private: optional(b32_32), production: optional(i19000101_99991231), site: t3_64 }],
  [13, "COUNT", { amounts: b32_32, at: i0_time, expiry: optional(i19000101_99991231), kind: CountKind, lot: t3_64, owner: optional(t3_32), private: optional(b32_32), production: optional(i19000101_99991231), site: t3_64 }],
  [14, "PACK", { amounts: b32_32, at: i0_time, lots: list(t3_64, 0, 64), owner: optional(t3_32), private: optional(b32_32), site: t3_64, unit: t1_32, units: optional(list(t1_32, 0, 64), []), use: i1_1000000 }],
  [15, "UNPACK", { at: i0_time, owner: optional(t3_32), private: optional(b32_32), site: t3_64, unit: t1_32, use: i1_1000000 }],
  [20, "SHIP", { amounts: b32_32, at: i0_time, claim: optional(b32_32), lot: t3_64, owner: optional(t3_32), private: optional(b32_32), returns: optional(bool), site: t3_64, to: t3_32, to_site: t3_64, unit: optional(t1_32) }],
  [21, "RECEIVE", { amounts: b32_32, at: i0_time, lot: t3_64, private: optional(b32_32), ship: b32_32 }],
  [22, "WITHDRAW", { amounts: b32_32, at: i0_time, lot: t3_64, private: optional(b32_32), ship: b32_32, to: t3_32 }],
  [23, "CLAIM", { amounts: b32_32, at: i0_time, expiry: optional(i19000101_99991231), lot: t3_64, private: optional(b32_32), production: optional(i19000101_99991231), site: t3_64, supplier: t3_32 }],
  [24, "DISPUTE", { at: i0_time, claim: b32_32, claimant: t3_32, lot: t3_64, private: optional(b32_32), reason: t1_512 }],
  [25, "MOVE", { amounts: b32_32, at: i0_time, lot: t3_64, private: optional(b32_32), site: t3_64, to_site: t3_64 }],
  [30, "SELL", { amounts: b32_32, at: i0_time, buyer: SaleTo, lot: t3_64, private: optional(b32_32), site: t3_64 }],
  [31, "TAKE_BACK", { amounts: b32_32, at: i0_time, lot: t3_64, private: optional(b32_32), site: t3_64 }],
  [32, "DESTROY", { amounts: b32_32, at: i0_time, lot: t3_64, owner: optional(t3_32), private: optional(b32_32), reason: DestroyReason, site: t3_64 }],
  [40, "FACT", { adverse: optional(bool), answers: optional(b32_32), at: i0_time, document: optional(t1_128), kind: FactKind, private: optional(b32_32), subject: Subject, text: optional(t1_512), window: optional(Window) }],
  [41, "HOLD", { at: i0_time, made_from: optional(i19000101_99991231), made_until: optional(i19000101_99991231), private: optional(b32_32), reason: t1_512, subject: Subject }],
  [42, "RECALL", { at: i0_time, grade: i1_3, made_from: optional(i19000101_99991231), made_until: optional(i19000101_99991231), private: optional(b32_32), reason: t1_512, subject: Subject }],
  [43, "CLOSE", { at: i0_time, private: optional(b32_32), reason: t1_512, subject: Subject, target: b32_32 }],
  [44, "LIFT", { at: i0_time, private: optional(b32_32), reason: t1_512, subject: Subject, target: b32_32 }],
  [50, "VOUCHER", { at: i0_time, lot: t3_64, private: optional(b32_32), site: t3_64, voucher: b32_32 }],
  [51, "CORRECT", { amounts: b32_32, at: i0_time, expiry: optional(i19000101_99991231), lot: t3_64, private: optional(b32_32), production: optional(i19000101_99991231), reason: t1_512, target: b32_32 }],
  [52, "RELABEL", { amounts: b32_32, at: i0_time, expiry: optional(i19000101_99991231), lot: t3_64, private: optional(b32_32), production: optional(i19000101_99991231), site: t3_64, to_lot: t3_64 }],
  [60, "POLICY", { approvals: list(Approval, 1, 32), at: i0_time, expires: optional(i0_time), number: i1_max, private: optional(b32_32), rules: i1_max, validators: list(Validator, 1, 32) }],
]);
