"""What a line and its parts share: made once by `line`, and handed to each part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from dispatch.clock import Clock
from dispatch.ids import PairId, TaskId
from dispatch.thread import Right

from mobile_sim.bell import Bell
from mobile_sim.ledger import Ledger
from mobile_sim.reading import Reader
from mobile_sim.sight import Sight
from mobile_sim.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the parts of one line share. Fixed for the life of the line."""

    store: Store
    pair_id: PairId
    ledger: Ledger
    clock: Clock
    right: Callable[[bool], Awaitable[Right]]
    """Gives the right to attach; a new one when told so. Raises DispatchError."""
    reader: Callable[[], Reader]
    """Gives the thread as it is being read: another one once a step has failed."""
    step: Callable[[], AbstractContextManager[None]]
    """Opens one transaction; when it fails, memory goes back to what the store has."""
    bell: Bell = field(default_factory=Bell)
    sight: Sight = field(default_factory=Sight)
    attended: set[TaskId] = field(default_factory=set)
    """Tasks that a sender attends to: it decides what becomes of an attempt that was never stored, and rings when it is through."""
