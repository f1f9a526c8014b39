"""How many answers a node gives over HTTP, driven by locust: page data, tiles, and tiles by a plain web server.

python -m bench.http [--users 32] [--seconds 10] [--records 100000]

Client and servers share the machine, so a ratio within one run says more than its figures. Page data is asked for
lots that went through four holders, each with its voucher: once when the proof has to be built (cold), then again and
again (warm, until the next block). The plain server is nginx where there is one, else Python's own.
"""

import gevent.monkey

gevent.monkey.patch_all()

import grpc.experimental.gevent as grpc_gevent  # noqa: E402

grpc_gevent.init_gevent()

import argparse  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from itertools import cycle  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, ClassVar  # noqa: E402
from urllib.request import urlopen  # noqa: E402

import gevent  # noqa: E402
from locust import constant, task  # noqa: E402
from locust.contrib.fasthttp import FastHttpUser  # noqa: E402
from locust.env import Environment  # noqa: E402

from bench import proofs, world  # noqa: E402
from ledger import links  # noqa: E402
from ledger.tiles import tile_path  # noqa: E402

PUBLISHED_SECONDS = 3
_NGINX = """daemon off; pid {folder}/nginx.pid; error_log stderr crit; worker_processes 1;
events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; keepalive_requests 1000000; client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi; server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""


class Reader(FastHttpUser):
    """What locust runs many of."""

    wait_time = constant(0)
    paths: ClassVar[Iterator[str]] = iter(())
    headers: ClassVar[dict[str, str]] = {}

    @task
    def read(self) -> None:
        self.client.get(next(self.paths), headers=self.headers, name="read")


def run(name: str, host: str, paths: Iterator[str], users: int, seconds: float, **headers: str) -> float:
    """Answers a second; every answer that is not 200 is an error, and ends the bench."""
    Reader.host, Reader.paths, Reader.headers = host, paths, headers
    environment = Environment(user_classes=[Reader])
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=1000)
    gevent.sleep(1)
    environment.stats.reset_all()
    begun = time.perf_counter()
    gevent.sleep(seconds)
    total, taken = environment.stats.total, time.perf_counter() - begun
    reached = total.num_requests / taken
    runner.quit()
    if total.num_failures:
        raise SystemExit(f"{name}: {total.num_failures} of {total.num_requests} failed: {environment.errors()}")
    points = ", ".join(f"p{share} {total.get_response_time_percentile(share / 100):.0f} ms" for share in (50, 99))
    print(f"{name:<38} {reached:>8,.0f} answers/s; {points}", flush=True)
    return reached


def built_once(fetch: Callable[[str], Any], paths: list[str]) -> None:
    """Each proof built anew, one client at a time: what the answer costs when nobody asked before."""
    begun = time.perf_counter()
    for path in paths:
        fetch(path)
    rate = len(paths) / (time.perf_counter() - begun)
    print(f"{'page data, cold, one client':<38} {rate:>8,.0f} answers/s", flush=True)


@contextmanager
def plain_server(root: Path) -> Iterator[tuple[str, str]]:
    """(its name, its address) of a web server that knows nothing but the folder."""
    port, folder = 7499, Path(tempfile.mkdtemp(prefix="suyuan-plain-"))
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx:
        settings = folder / "nginx.conf"
        settings.write_text(_NGINX.format(folder=folder, port=port, root=root))
        command = [
            nginx,
            "-c",
            str(settings),
            "-p",
            str(folder),
            *(["-g", "user root;"] if os.geteuid() == 0 else []),
        ]
    else:
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(root)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        gevent.sleep(1)
        yield ("nginx" if nginx else "python -m http.server"), f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def tiles_of(size: int) -> list[str]:
    full = range(size // 256)
    return [f"/{tile_path(level, index)}" for index in full for level in (0, "entries")]


def published(public: Path) -> int:
    """The size that the folder shows."""
    return int((public / "checkpoint").read_text().split("\n")[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--records", type=int, default=100_000)
    given = parser.parse_args()
    logging.getLogger("locust").setLevel(logging.WARNING)
    os.environ["SUYUAN_HTTP_CLIENT_REQUESTS_PER_SECOND"] = "1000000"
    node = world.start()
    trade = world.Trade(node)
    trade.prepare()
    for _, result in node.client.submit_stream(trade.envelopes(given.records, 100)):
        if isinstance(result, Exception):
            raise result
    queries = proofs.four_holders(trade)
    gevent.sleep(PUBLISHED_SECONDS)
    data = node.folder / "node"
    base = json.loads((data / "endpoints.json").read_text())["web"]
    pages = [links.path_of(query.product, query.lot, query.voucher) for query in queries]
    paths = tiles_of(published(data / "public"))
    json_of = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    built_once(lambda path: urlopen(f"{base}{path}&format=bundle").read(), pages)
    run("page data, warm", base, cycle(pages), given.users, given.seconds, **json_of)
    own = run("tiles by the node", base, cycle(paths), given.users, given.seconds)
    with plain_server(data / "public") as (name, address):
        plain = run(f"tiles by {name}", address, cycle(paths), given.users, given.seconds)
    print(f"the node's share of the plain server's: {own / plain:.2f}")
    node.stop()


if __name__ == "__main__":
    main()
