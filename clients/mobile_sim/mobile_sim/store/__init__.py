"""The phone's own database: pairings, chains, the thread, tasks, files. One transaction per step."""

from mobile_sim.store.database import Store
from mobile_sim.store.files import FileState, StoredFile
from mobile_sim.store.pairings import Pairing, PairingState, Right
from mobile_sim.store.tasks import Post, Task, Verdict
from mobile_sim.store.thread import StoredEvent

__all__ = [
    "FileState",
    "Pairing",
    "PairingState",
    "Post",
    "Right",
    "Store",
    "StoredEvent",
    "StoredFile",
    "Task",
    "Verdict",
]
