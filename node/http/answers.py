"""Answers as caches, browsers and download tools expect them: ETag, 304, one byte range, gzip.

HEAD comes here as GET: the server sends the same headers and leaves the body out.
"""

import gzip
import re
from collections.abc import MutableMapping, Sequence
from hashlib import sha256
from typing import Any, Final

from starlette.responses import Response

Scope = MutableMapping[str, Any]
IMMUTABLE: Final = "public, max-age=31536000, immutable"
FRESH: Final = "public, max-age=2"
PAGES: Final = "public, max-age=300"
PRIVATE: Final = "no-store"
_GZIP_BYTES_MIN: Final = 512
_GZIP_LEVEL: Final = 6
_RANGE: Final = re.compile(rb"bytes=([0-9]{0,15})-([0-9]{0,15})")
_QUALITY: Final = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")


class Content:
    """Bytes to be served, with what is computed of them once. `packs` says that gzip is worth its while."""

    __slots__ = ("_packed", "body", "etag", "media_type", "packs")

    def __init__(self, body: bytes, media_type: str, packs: bool = False) -> None:
        self.body, self.media_type = body, media_type
        self.packs = packs and len(body) >= _GZIP_BYTES_MIN
        self.etag = sha256(body).hexdigest()[:32]
        self._packed: bytes | None = None

    def packed(self) -> bytes:
        if self._packed is None:
            self._packed = gzip.compress(self.body, _GZIP_LEVEL, mtime=0)
        return self._packed


def header(scope: Scope, name: bytes) -> bytes:
    """A request header; empty where there is none. Several of one name are one list."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else b", ".join(found)


def qualities(value: bytes) -> dict[str, float]:
    """What an Accept or Accept-Encoding header says of each thing that it names."""
    found: dict[str, float] = {}
    for part in value.decode("latin-1").lower().split(","):
        name, _, parameters = part.partition(";")
        match = _QUALITY.search(parameters)
        found[name.strip()] = min(1.0, float(match[1])) if match else 1.0
    return found


def prefers_json(scope: Scope) -> bool:
    """Whether the client wants data rather than a page; who says nothing of either is a person."""
    wanted = qualities(header(scope, b"accept"))
    return wanted.get("application/json", 0.0) > wanted.get("text/html", 0.0)


def _takes_gzip(scope: Scope) -> bool:
    wanted = qualities(header(scope, b"accept-encoding"))
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0


def answer(
    scope: Scope, content: Content, cache: str, more: Sequence[tuple[str, str]] = (), status: int = 200
) -> Response:
    """The content, or what the client's conditions make of it."""
    vary = [value for name, value in more if name == "vary"] + (["Accept-Encoding"] if content.packs else [])
    headers = {"cache-control": cache, **dict(more)}
    if vary:
        headers["vary"] = ", ".join(vary)
    wanted = header(scope, b"range") if status == 200 else b""
    body, tag = content.body, f'"{content.etag}"'
    if content.packs and not wanted and _takes_gzip(scope):
        body, tag = content.packed(), f'"{content.etag}-gz"'
        headers["content-encoding"] = "gzip"
    headers["etag"] = tag
    if status == 200 and _known(scope, tag):
        headers.pop("content-encoding", None)
        return Response(status_code=304, headers=headers)
    if not content.packs or "content-encoding" not in headers:
        headers["accept-ranges"] = "bytes"
    part = _range(wanted, len(body)) if wanted and header(scope, b"if-range") in (b"", tag.encode()) else None
    if part is not None:
        return _part(body, part, content.media_type, headers)
    return Response(body, status, headers, content.media_type)


def _known(scope: Scope, tag: str) -> bool:
    named = [one.strip().removeprefix("W/") for one in header(scope, b"if-none-match").decode("latin-1").split(",")]
    return tag in named or "*" in named


def _range(wanted: bytes, size: int) -> tuple[int, int] | None:
    """(start, stop) of one byte range; (0, 0) where the content has no such bytes, None where there is no range that
    we serve: then the whole is the answer."""
    match = _RANGE.fullmatch(wanted)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, last = size - int(match[2]), size - 1
        return (max(0, start), size) if int(match[2]) else (0, 0)
    start, last = int(match[1]), int(match[2] or size)
    if last < start:
        return None
    return (start, min(last + 1, size)) if start < size else (0, 0)


def _part(body: bytes, part: tuple[int, int], media_type: str, headers: dict[str, str]) -> Response:
    start, stop = part
    if start == stop:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{len(body)}"})
    headers["content-range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    return Response(body[start:stop], 206, headers, media_type)
