// From one policy to the next (ledger/succession.py): a reader who pinned the validators of the past learns who
// followed them, by heads that those in office cosigned and under whose state the next policy stands.

import { concat, hex, same } from "./bytes.js";
import { checking, expect } from "./errors.js";
import { POLICY_PATH, readMapProof } from "./mapproof.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { decode } from "./msgpack.js";
import { COSIGNATURE, ED25519, verifierKey } from "./note.js";
import { VALIDATORS_GROUP, checkPolicy, originOf, requireInForce } from "./policy.js";
import { BlockHeader, PolicyEntry } from "./schema.js";

const CHECK = "policy";
const BLOCK = Uint8Array.of(2);

/** The newest policy that `steps` lead to; those that the reader took before are passed over. */
export function follow(policy, steps, now, signatures) {
  return steps.reduce((current, step) => {
    const map = readMapProof(step.map);
    const value = map.value(POLICY_PATH);
    expect(value !== null, CHECK, "a step shows no policy");
    const entry = checking(CHECK, () => decode(PolicyEntry, value));
    return entry.number > current.number ? stepped(current, step, entry, map.root, now, signatures) : current;
  }, policy);
}

/** The block header that is the last leaf under a checkpoint. */
export function lastHeader(data, proof, { size, root }) {
  expect(size !== 0n, "block header", "the log is empty");
  verifyInclusion(leafHash(concat(BLOCK, data)), size - 1n, size, proof, root);
  const header = checking("block header", () => decode(BlockHeader, data));
  const isLast = BigInt(header.first) + BigInt(header.count) === size - 1n;
  expect(isLast, "block header", "its own leaf is not the log's last");
  return header;
}

function stepped(policy, step, entry, root, now, signatures) {
  const isNext = entry.number === policy.number + 1;
  expect(isNext, CHECK, `a step leads to policy ${entry.number}, the reader is at ${policy.number}`);
  const missing = `it has no group "${VALIDATORS_GROUP}", so nobody can say who follows`;
  expect(policy.groups.has(VALIDATORS_GROUP), CHECK, missing);
  const deciding = { ...policy, quorum: VALIDATORS_GROUP, before: null, expires: null };
  const agreed = checkPolicy(deciding, step.checkpoint, null, signatures);
  const header = lastHeader(step.header, step.header_proof, agreed.checkpoint);
  const isState = same(root, header.state);
  expect(isState, CHECK, `the step's map has root ${hex(root)}, its block ${hex(header.state)}`);
  const governs = entry.beyond !== null && BigInt(entry.beyond) < agreed.checkpoint.size;
  expect(governs, CHECK, "the next policy does not govern the head that shows it");
  const following = successor(policy, entry);
  for (const time of [agreed.oldest, now]) if (time !== null) requireInForce(policy, time);
  return following;
}

/** The reader's policy with other validators; the witnesses and groups that it added stay. */
function successor(policy, { validators, number, beyond, expires }) {
  const old = policy.groups.get(VALIDATORS_GROUP).members;
  const others = [...policy.witnesses].filter(([name]) => !old.includes(name));
  const taken = validators.find(({ name }) => policy.groups.has(name) || others.some(([other]) => other === name));
  expect(taken === undefined, CHECK, `a new validator has the name of what this policy knows otherwise: ${taken?.name}`);
  const distinct = others.every(([, { key }]) => !validators.some((one) => same(one.key, key)));
  expect(distinct, CHECK, "a new validator cosigns with the key of another witness");
  const members = validators.map(({ name }) => name);
  const group = { needed: Math.floor((members.length * 2) / 3) + 1, members };
  const keys = validators.map(({ name, key }) => [name, verifierKey(name, COSIGNATURE, key)]);
  const witnesses = new Map([...keys, ...others]);
  const groups = new Map([...policy.groups, [VALIDATORS_GROUP, group]]);
  const named = [...[...groups.values()].flatMap((one) => one.members), policy.quorum ?? VALIDATORS_GROUP];
  const gone = named.find((name) => !witnesses.has(name) && !groups.has(name));
  expect(gone === undefined, CHECK, `it asks for ${gone}, who leaves: write the policy anew, without that one`);
  return {
    logs: validators.map(({ log }) => verifierKey(originOf(policy), ED25519, log)),
    witnesses,
    groups,
    quorum: policy.quorum,
    number,
    beyond,
    expires,
    before: policy,
  };
}
