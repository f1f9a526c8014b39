// A moment as people read it, in China's time (ledger/moment.py).

const CHINA_MS = 8 * 3_600_000;
const SHOWN_MS_MAX = 253_370_764_800_000;

/** Ms since the epoch, as 2026-01-31 09:30 UTC+8; what lies too far ahead for a date, in ms. */
export function shown(atMs) {
  if (atMs >= SHOWN_MS_MAX) return `${atMs} ms`;
  return `${new Date(Number(atMs) + CHINA_MS).toISOString().slice(0, 16).replace("T", " ")} UTC+8`;
}
