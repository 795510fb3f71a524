"""Changes to files: a plan that is shown, approved and carried out as it stands, and what it takes to undo it.

Agents' tools make plans; the driver shows them and asks; a worker carries them out within the scope. Knows no agent, no
thread and no task but by its id. docs/changes.md explains the rules.
"""

from dispatch_host.changes.applying import Applied, CannotMake, Maker, Tell, apply
from dispatch_host.changes.packing import Packing, TooMany
from dispatch_host.changes.plan import (
    MOST_BYTES,
    MOST_STEPS,
    MOST_TEXT_BYTES,
    BadPlan,
    Convert,
    Delete,
    How,
    MakeFolder,
    Move,
    Plan,
    RemoveFolder,
    Rewrite,
    Step,
    Write,
    Zip,
    keeps,
    makes,
    place,
    writes,
)
from dispatch_host.changes.preview import KEPT, difference, label, preview, titled, touched
from dispatch_host.changes.record import MOST_KEPT_BYTES, Busy, Record, Records, State, TooMuch, kept_bytes
from dispatch_host.changes.undo import Undone, undo

__all__ = [
    "KEPT",
    "MOST_BYTES",
    "MOST_KEPT_BYTES",
    "MOST_STEPS",
    "MOST_TEXT_BYTES",
    "Applied",
    "BadPlan",
    "Busy",
    "CannotMake",
    "Convert",
    "Delete",
    "How",
    "MakeFolder",
    "Maker",
    "Move",
    "Packing",
    "Plan",
    "Record",
    "Records",
    "RemoveFolder",
    "Rewrite",
    "State",
    "Step",
    "Tell",
    "TooMany",
    "TooMuch",
    "Undone",
    "Write",
    "Zip",
    "apply",
    "difference",
    "keeps",
    "kept_bytes",
    "label",
    "makes",
    "place",
    "preview",
    "titled",
    "touched",
    "undo",
    "writes",
]
