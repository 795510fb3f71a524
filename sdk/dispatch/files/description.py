"""What names a file under the seal of the thread: its id, key, name, size and digest, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import Attachment
from dispatch.files.names import safe_name
from dispatch.ids import ID_BYTES, FileId
from dispatch.sealed.file import KEY_BYTES, LONGEST_FILE_BYTES, FileSeal, count_of

DIGEST_BYTES = 32
_LONGEST_SENT_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A file as its author names it."""

    file_id: FileId
    name: str
    """Safe to keep it under."""
    size: int
    sha256: bytes
    key: bytes = field(repr=False)

    @property
    def seal(self) -> FileSeal:
        """Give what its chunks are sealed with."""
        return FileSeal(self.file_id, self.size, self.key)

    @property
    def chunks(self) -> int:
        """Give how many chunks it has."""
        return count_of(self.size)

    def attachment(self) -> Attachment:
        """Write it for a message."""
        return Attachment(file_id=self.file_id, key=self.key, name=self.name, size=self.size, sha256=self.sha256)


def checked(said: Attachment, *, most_bytes: int = LONGEST_FILE_BYTES) -> Described:
    """Read what a peer named. Raises BadRequest for what is no description of a file, TooLarge."""
    if (
        len(said.file_id) != ID_BYTES
        or len(said.key) != KEY_BYTES
        or len(said.sha256) != DIGEST_BYTES
        or not 0 < len(said.name) <= _LONGEST_SENT_NAME
    ):
        raise errors.BadRequest("what should name a file does not", metadata={"field": "file"})
    if said.size > most_bytes:
        raise errors.TooLarge(metadata={"limit_bytes": str(most_bytes)})
    return Described(
        file_id=FileId(said.file_id), key=said.key, name=safe_name(said.name), size=said.size, sha256=said.sha256
    )
