"""Files between the two devices of a pairing: what names one, one that is arriving, and the two ends of a transfer.

Used by host and phone. docs/files.md tells it as a story, docs/encryption.md "Files" has the bytes. Knows no journal and no
task; the relay knows none of this.
"""

from dispatch.files.carrier import Carrier, RelayCarrier
from dispatch.files.description import Described, checked
from dispatch.files.giving import Source, give
from dispatch.files.names import numbered, safe_name
from dispatch.files.partial import Partial, digest_of, placed
from dispatch.files.source import OpenFile
from dispatch.files.taking import already_there, take

__all__ = [
    "Carrier",
    "Described",
    "OpenFile",
    "Partial",
    "RelayCarrier",
    "Source",
    "already_there",
    "checked",
    "digest_of",
    "give",
    "numbered",
    "placed",
    "safe_name",
    "take",
]
