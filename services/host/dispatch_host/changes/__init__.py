"""Changes to files: a plan that is shown, approved and carried out as it stands, and what it takes to undo it.

Agents' tools make plans; the driver shows them and asks; a worker carries them out within the scope. Knows no agent, no
thread and no task but by its id. docs/changes.md explains the rules.
"""

from dispatch_host.changes.applying import Applied, CannotMake, Maker, Tell, apply
from dispatch_host.changes.packing import Packing, TooMany
from dispatch_host.changes.plan import (
    MOST_STEPS,
    BadPlan,
    Convert,
    How,
    MakeFolder,
    Move,
    Plan,
    Step,
    Write,
    Zip,
    makes,
    same,
)
from dispatch_host.changes.preview import label, preview, touched
from dispatch_host.changes.record import Record, Records, State
from dispatch_host.changes.undo import Undone, undo

__all__ = [
    "MOST_STEPS",
    "Applied",
    "BadPlan",
    "CannotMake",
    "Convert",
    "How",
    "MakeFolder",
    "Maker",
    "Move",
    "Packing",
    "Plan",
    "Record",
    "Records",
    "State",
    "Step",
    "Tell",
    "TooMany",
    "Undone",
    "Write",
    "Zip",
    "apply",
    "label",
    "makes",
    "preview",
    "same",
    "touched",
    "undo",
]
