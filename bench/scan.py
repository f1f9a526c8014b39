"""From a scan to the verdict: a node's page in Chromium, from the start of the navigation until its verdict
is painted.

python -m bench.scan [--records 20000]: fills a ledger, leads 100 lots through four holders, and opens the pages of
all with their vouchers: each in a fresh browser profile, as who scans for the first time, then with the files cached.
"""

import argparse
import json
import statistics

from playwright.sync_api import Browser, sync_playwright

from bench import world
from bench.proofs import four_holders
from ledger import links
from tests.chromium import FLAGS, find

PAINTED = """
    const seen = new MutationObserver(() => {
        if (!document.querySelector("section.verdict")) return;
        seen.disconnect();
        requestAnimationFrame(() => setTimeout(() => { window.painted = performance.now(); }));
    });
    seen.observe(document, { childList: true, subtree: true });"""
WAIT = """() => new Promise((resolve) => {
    const look = () => (window.painted ? resolve(window.painted) : setTimeout(look, 5));
    look();
})"""
SENT = """() => performance.getEntries().filter((one) => "transferSize" in one)
    .reduce((sum, one) => sum + one.transferSize, 0)"""


def opened(browser: Browser, addresses: list[str]) -> tuple[list[float], list[int], set[str]]:
    """Milliseconds to each verdict, bytes transferred, and what the verdicts were. A page's data is fetched anew."""
    times, sizes, verdicts = [], [], set()
    context = browser.new_context()
    context.add_init_script(PAINTED)
    for address in addresses:
        page = context.new_page()
        page.goto(address)
        times.append(page.evaluate(WAIT))
        sizes.append(page.evaluate(SENT))
        verdicts.add(page.locator("h1").inner_text())
        page.close()
    context.close()
    return times, sizes, verdicts


def told(name: str, times_ms: list[float], sizes: list[int]) -> None:
    p95 = sorted(times_ms)[len(times_ms) * 95 // 100]
    median, size = statistics.median(times_ms), statistics.median(sizes)
    print(f"{name:<28} median {median:6.0f} ms   p95 {p95:6.0f} ms   {size / 1000:6.1f} kB   of {len(times_ms)}")


def in_chromium(addresses: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=[*FLAGS, "--no-sandbox"])
        opened(browser, addresses[:5])
        first = [opened(browser, [address]) for address in addresses]
        told("first scan of a phone", [one[0][0] for one in first], [one[1][0] for one in first])
        times, sizes, verdicts = opened(browser, addresses)
        told("with the files in the cache", times[1:], sizes[1:])
        print(f"verdicts: {', '.join(sorted(verdicts))}")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    given = parser.parse_args()
    node = world.start()
    trade = world.Trade(node)
    trade.prepare()
    for _, result in node.client.submit_stream(trade.envelopes(given.records, 100)):
        if isinstance(result, Exception):
            raise result
    base = "http://" + json.loads((node.folder / "node" / "endpoints.json").read_text())["http"]
    in_chromium([base + links.path_of(query.product, query.lot, query.voucher) for query in four_holders(trade)])
    node.stop()


if __name__ == "__main__":
    main()
