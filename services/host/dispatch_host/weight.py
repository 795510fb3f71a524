"""How much memory JSON takes once it is read: eight megabytes of `[],[],` are two hundred then. Pure; looked at before reading.

Called by whoever reads what an external agent or a connector writes.
"""

from __future__ import annotations

MOST_VALUES = 100_000
"""Of one message. Each takes a hundred bytes or so, beside the text that it is."""


def is_heavy(line: bytes, most: int = MOST_VALUES) -> bool:
    """Tell whether JSON has more values than a message may have. Text in it counts by its bytes, which is for others to bound."""
    if line.count(b",") + line.count(b"[") + line.count(b"{") <= most:
        return False
    # Some of these may stand in texts: a table that is written has many commas.
    bare = line.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * most:
        return True
    outside = b"".join(bare.split(b'"')[::2])
    return outside.count(b",") + outside.count(b"[") + outside.count(b"{") > most
