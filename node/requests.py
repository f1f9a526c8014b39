"""The request id of a call: the client's own if it is a sane one, else a new one. It stands in answers and errors,
and in every line that is logged in the call's task."""

from typing import Final
from uuid import uuid4

import structlog

REQUEST_ID: Final = "x-request-id"
_CHARS_MAX: Final = 64


def begin(given: str | bytes | None) -> str:
    """Called at the beginning of a call's own task."""
    sane = isinstance(given, str) and 0 < len(given) <= _CHARS_MAX and given.isprintable()
    request_id = str(given) if sane else uuid4().hex
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id
