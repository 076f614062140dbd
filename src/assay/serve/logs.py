"""Structured logs: one JSON object a line on standard error. No content of data, no secret, no query string is logged."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class Lines(logging.Formatter):
    """A record as one line of JSON, what was given as `extra` among its fields.

    >>> Lines().format(logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "created": 0, "job": "7"}))
    '{"time": "1970-01-01T00:00:00.000+00:00", "level": "info", "logger": null, "message": "hello", "job": "7"}'
    """

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def structured(level: int = logging.INFO) -> None:
    """Log everything of this process so."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
