"""The phone's log: a JSON object a line, as the services and the host have it, into a file that its person names (docs/logs.md).

Events, ids and words of closed lists; of an exception nothing but its place. Set up by `command`; without `--log` there is none.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from dispatch.failures import place_of

FIELDS = ("task", "pairing", "attempt", "verdict", "reason", "outcome", "path", "where")
"""Everything that an event may say. What else a line is given is left out: it might be content."""


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"event": record.msg, "level": record.levelname.lower(), "service": "phone"}
        line["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["where"] = place_of(record.exc_info[1])
        return json.dumps(line)


def log_to(path: Path) -> None:
    """Have what this phone logs written behind what is in the file; made if need be, and for nobody else to read.

    Raises OSError.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Lines())
    ours = logging.getLogger("mobile_sim")
    ours.setLevel(logging.INFO)
    ours.propagate = False  # libraries log through the root, and their words are not ours to write down
    ours.addHandler(handler)
