"""A device's end of the thread stream: dials, proves who it is, opens, resumes, backs off."""

from dispatch.thread.backoff import Backoff
from dispatch.thread.client import Identity, Right, ThreadClient, ThreadEnd
from dispatch.thread.direct import DirectClient, DirectEnd, Patience

__all__ = ["Backoff", "DirectClient", "DirectEnd", "Identity", "Patience", "Right", "ThreadClient", "ThreadEnd"]
