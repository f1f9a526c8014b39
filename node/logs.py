"""Structured logs: JSON lines for machines, coloured lines for people; to stderr, or to a file that is kept small.

A log that cannot be written costs lines, never the node: they are counted, and told of with the next line.
"""

import logging
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import TextIO

import structlog

from node.config import Settings


class _Counting(logging.Handler):
    """Counts the lines that could not be written."""

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost = self.lost
        super().emit(record)
        if lost and self.lost == lost:
            self.lost = 0
            self.handle(
                logging.makeLogRecord({"msg": f"{lost} log lines could not be written", "levelname": "WARNING"})
            )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        self.lost += 1


class StderrHandler(_Counting, logging.StreamHandler[TextIO]):
    pass


class FileHandler(_Counting, RotatingFileHandler):
    """Rotates by size, and is opened again on SIGHUP, so that another tool may move the file away."""

    def reopen(self) -> None:
        """The next line opens it."""
        self.acquire()
        try:
            with suppress(OSError):
                if self.stream is not None:
                    self.stream.close()
            self.stream = None
        finally:
            self.release()


def set_up(settings: Settings) -> None:
    """Everything that this process logs, its libraries too, goes one way. OSError where the file cannot be opened."""
    handler: logging.Handler = StderrHandler(sys.stderr)
    coloured = settings.log_file is None and sys.stderr.isatty()
    if settings.log_file is not None:
        path, size, kept = settings.data / settings.log_file, settings.log_file_bytes_max, settings.log_files_kept
        handler = FileHandler(path, maxBytes=size, backupCount=kept, encoding="utf-8")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=coloured)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[strip, renderer]))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def reopen() -> None:
    """Open the log file again, if there is one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, FileHandler):
            handler.reopen()
