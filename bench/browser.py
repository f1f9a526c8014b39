"""Verification in Chromium: a proof from a ledger, as a phone would check it; and what its hashes would cost by
WebCrypto's digest.

python -m bench.browser [--records 20000]: fills a ledger, leads 100 lots through four holders, verifies the proofs of
all in a fresh page, and the same proofs in this process.
"""

import argparse
import base64
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Route, sync_playwright

from bench import world
from bench.proofs import four_holders
from ledger.policy import Policy, format_policy
from ledger.proof.verify import Query, verify_product
from tests.chromium import FLAGS, find

MODULES = Path(__file__).resolve().parents[1] / "web" / "verify"
RUNS = 1000
PROGRAM = """async ({ policy, cases, runs }) => {
    const { unbase64, unhex, verify } = await import("/index.js");
    const asked = cases.map(({ proof, voucher, ...scanned }) => {
        return [{ ...scanned, voucher: unhex(voucher) }, unbase64(proof)];
    });
    const times = [];
    for (let run = 0; run < runs; run++) {
        const [query, proof] = asked[run % asked.length];
        const begun = performance.now();
        await verify(policy, query, proof, null);
        times.push(performance.now() - begun);
    }
    return times;
}"""
HASHING = """async ({ runs, bytes }) => {
    const { sha256 } = await import("/sha256.js");
    const data = new Uint8Array(bytes);
    const timed = async (hash) => {
        for (let run = 0; run < runs; run++) await hash();
        const begun = performance.now();
        for (let run = 0; run < runs; run++) await hash();
        return ((performance.now() - begun) / runs) * 1000;
    };
    const digest = () => crypto.subtle.digest("SHA-256", data);
    const together = () => Promise.all(Array.from({ length: 100 }, digest));
    const own = await timed(async () => sha256(data));
    return { own, digest: await timed(digest), "digest, 100 at once": (await timed(together)) / 100 };
}"""


def serve(route: Route) -> None:
    path = MODULES / urlsplit(route.request.url).path[1:]
    if path.is_file():
        route.fulfill(path=path, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>bench</title>", content_type="text/html")


def told(name: str, times_ms: list[float]) -> None:
    times = sorted(times_ms)
    p95 = times[len(times) * 95 // 100]
    print(f"{name:<34} median {statistics.median(times):6.2f} ms   p95 {p95:6.2f} ms   of {len(times)}")


def in_chromium(policy: str, cases: list[dict[str, str]]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=[*FLAGS, "--no-sandbox"])
        firsts = [_run(browser, PROGRAM, {"policy": policy, "cases": cases[n:], "runs": 1})[0] for n in range(20)]
        told("Chromium, first of a fresh page", firsts)
        told("Chromium, again and again", _run(browser, PROGRAM, {"policy": policy, "cases": cases, "runs": RUNS}))
        hashing = _run(browser, HASHING, {"runs": 1000, "bytes": 100})
        print(", ".join(f"{name} {micros:.1f} us" for name, micros in hashing.items()), "a hash of 100 bytes")
        browser.close()


def _run(browser: Any, program: str, given: dict[str, Any]) -> Any:
    page = browser.new_page()
    page.route("**/*", serve)
    page.goto("http://localhost/")
    found = page.evaluate(program, given)
    page.close()
    return found


def in_python(trusted: Policy, cases: list[tuple[Query, bytes]]) -> list[float]:
    times = []
    for query, proof in cases * 5:
        begun = time.perf_counter()
        verify_product(trusted, query, proof, None)
        times.append((time.perf_counter() - begun) * 1000)
    return times


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
    queries = four_holders(trade)
    cases = [(query, node.client.product_proof(query.product, query.lot, query.voucher)) for query in queries]
    trusted = node.connection.trusted()
    node.stop()
    print(f"{len(cases)} proofs of {statistics.mean(len(proof) for _, proof in cases):,.0f} bytes")
    told("Python, verify_product", in_python(trusted, cases))
    plain = [
        {"product": query.product, "lot": query.lot, "voucher": (query.voucher or b"").hex(),
         "proof": base64.b64encode(proof).decode()}
        for query, proof in cases
    ]  # fmt: skip
    in_chromium(format_policy(trusted), plain)


if __name__ == "__main__":
    main()
