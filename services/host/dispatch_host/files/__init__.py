"""The host's side of files: where attachments are put, what an artifact is served from, and the transfers of both.

docs/files.md tells it as a story. Who asks for a transfer comes through the link; what an agent may send goes through the scope.
"""

from dispatch_host.files.artifacts import Artifacts
from dispatch_host.files.attachments import Attachments
from dispatch_host.files.inbox import Inbox
from dispatch_host.files.transfers import Transfers

__all__ = ["Artifacts", "Attachments", "Inbox", "Transfers"]
