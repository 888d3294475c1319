"""The log: one line per event, as JSON or as text; errors on stderr, the rest on stdout."""

import logging
import sys
from typing import Any

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

_SHARED = (
    structlog.contextvars.merge_contextvars,
    add_log_level,
    add_logger_name,
    ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(log_format: str, level: str) -> None:
    """Let every logger of the process write as an operator chose."""
    formatter = ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[ProcessorFormatter.remove_processors_meta, *_renderer(log_format)],
    )
    out = logging.StreamHandler(sys.stdout)
    out.addFilter(lambda record: record.levelno < logging.WARNING)
    err = logging.StreamHandler(sys.stderr)
    err.setLevel(logging.WARNING)
    for handler in (out, err):
        handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[out, err], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("butaca.audit").setLevel(logging.INFO)  # Whatever else is told.
    # Their lines tell of URLs and retries that ours tell of without secrets.
    for chatty in ("urllib3", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def _renderer(log_format: str) -> list[Any]:
    if log_format == "text":
        # Never the renderers that show local variables: those hold tokens.
        plain = structlog.dev.plain_traceback
        return [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("event"),
        structlog.processors.JSONRenderer(),
    ]
