// What was checked, step by step, for a reader who wants to see it: counts, and the details behind them.

import { hex } from "./bytes.js";

/** Seven steps in the order of the verification: {name, counts, details}. */
export function stepsOf(product, { agreed, header, shown, evidence, query }) {
  const { seen } = evidence;
  const entries = [...seen.entries.values()].map(({ subject, entry }) => ({ subject, present: entry !== null }));
  return [
    checkpointStep(agreed),
    {
      name: "header",
      counts: { hashes: shown.header_proof.length },
      details: { leaf: product.log_size - 1, height: header.height, time_ms: header.time, state: hex(header.state) },
    },
    {
      name: "entries",
      counts: {
        entries: entries.filter((one) => one.present).length,
        absent: entries.filter((one) => !one.present).length,
        lots: product.lots.length,
        products: Object.keys(product.products).length,
        members: Object.keys(product.members).length,
      },
      details: { root: hex(evidence.proven.root), bytes: shown.map.length, entries },
    },
    recordsStep(seen),
    {
      name: "chains",
      counts: { chains: seen.chains.length, elements: seen.chains.reduce((sum, chain) => sum + chain.shown, 0) },
      details: { chains: seen.chains.map((chain) => chainDetail(chain, seen.entries)) },
    },
    wayStep(product, query),
    { name: "verdict", counts: { findings: product.findings.length }, details: { verdict: product.verdict } },
  ];
}

function checkpointStep({ note, checkpoint, policy, log, counted }) {
  const cosigners = [...counted].map(([name, time]) => ({ name, time_ms: time, vkey: policy.witnesses.get(name).vkey }));
  return {
    name: "checkpoint",
    counts: { signatures: 1, cosignatures: cosigners.length },
    details: {
      origin: checkpoint.origin,
      size: Number(checkpoint.size),
      root: hex(checkpoint.root),
      text: note.text,
      log: log.vkey,
      quorum: policy.quorum,
      needed: policy.groups.get(policy.quorum)?.needed ?? 1,
      cosigners,
    },
  };
}

function recordsStep({ envelopes, records }) {
  return {
    name: "records",
    counts: { records, envelopes: envelopes.length, signatures: envelopes.length },
    details: {
      envelopes: envelopes.map(({ leaf, header, signature }) => ({
        leaf,
        member: header.member,
        key: hex(header.key),
        time_ms: header.time,
        records: header.count,
        root: hex(header.root),
        signature: hex(signature),
      })),
    },
  };
}

function chainDetail({ path, name, count, shown }, entries) {
  const kind = String.fromCharCode(...name) === "a" ? "adverse" : "facts";
  return { subject: entries.get(hex(path)).subject, kind, count, shown };
}

function wayStep({ way }, query) {
  const ways = way.flatMap((position) => position.ways);
  return {
    name: "way",
    counts: {
      positions: way.length,
      ways: ways.length,
      records: ways.reduce((sum, one) => sum + one.newest.length, 0),
      earlier: ways.reduce((sum, one) => sum + one.earlier, 0),
    },
    details: { opened_by: query.voucher ? "voucher" : query.site ? "site" : null },
  };
}
