// Forms of a lot number that are typed for one another: a1 for A1, 2O25 for 2025, A-01 for A01. What was asked for is
// never changed; whoever asked is told which other forms stand in the ledger. As client_sdk/commands/meant.py.

/** The other forms of a lot number, few since each is asked for. */
export function forms(number) {
  const upper = number.toUpperCase();
  const swapped = (from, to) => upper.replace(new RegExp(`[${from}]`, "g"), (one) => to[from.indexOf(one)]);
  const others = [upper, number.toLowerCase(), swapped("OIL", "011"), swapped("01", "OI"), upper.replace(/[ \-_./]/g, "")];
  return [...new Set(others)].filter((one) => one && one !== number);
}

/** [{number, path}] of those that are proven to stand there; `verdictOf` a path, or null. None of a lot without number. */
export async function declared({ product, lot }, verdictOf) {
  if (!lot.startsWith("#")) return [];
  const found = forms(lot.slice(1)).map(async (number) => {
    const path = `/01/${encodeURIComponent(product)}/10/${encodeURIComponent(number)}`;
    const verdict = await verdictOf(path);
    return verdict && verdict !== "UNKNOWN_CODE" ? { number, path } : null;
  });
  return (await Promise.all(found)).filter(Boolean);
}
