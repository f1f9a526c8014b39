"""A plain HTTP client for tests, over real sockets: nothing is followed, unpacked or hidden."""

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = self.json()["error"]
        return found


class Web:
    """The pages of the node whose data folder this is."""

    def __init__(self, data: Path) -> None:
        host, _, port = json.loads((data / "endpoints.json").read_text())["http"].rpartition(":")
        self.host, self.port = host, int(port)

    def get(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """`headers` by name with underscores: `accept="application/json"`, `if_none_match=…`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            found = connection.getresponse()
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def json(self, path: str, **headers: str) -> Answer:
        return self.get(path, accept="application/json", **headers)
