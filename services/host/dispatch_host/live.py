"""What a running task shows in passing: partial text and progress, at most a few frames a second, never kept.

Collects what comes between two frames; the result repeats all of the text, so what is dropped is not lost. Pure but for
its clock argument; called by the runner.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatch.api.thread.v1.thread_pb2 import DownLiveItem, PartialText, Progress

TEXT_CHARACTERS = 12 * 1024
"""Most text in one frame: what is longer goes on with the next one."""


@dataclass(slots=True)
class LiveNews:
    """One task's news that nobody has been shown yet."""

    task_id: bytes
    every_ms: int
    _text: str = field(default="", repr=False)
    _offset: int = 0
    _progress: Progress | None = None
    _next_ms: int = 0

    def text(self, delta: str) -> None:
        """Add text."""
        self._text += delta

    def progress(self, *, done: int, total: int, unit: str) -> None:
        """Replace the progress."""
        self._progress = Progress(task_id=self.task_id, done=max(done, 0), total=max(total, 0), unit=unit)

    def due_ms(self) -> int | None:
        """Give the steady time from which the next frame may go; None when there is nothing to show."""
        return self._next_ms if self._text or self._progress is not None else None

    def take(self, now_ms: int) -> list[DownLiveItem]:
        """Give what one frame shows now; empty when it is too early."""
        due = self.due_ms()
        if due is None or now_ms < due:
            return []
        items = []
        if self._text:
            delta, self._text = self._text[:TEXT_CHARACTERS], self._text[TEXT_CHARACTERS:]
            items.append(DownLiveItem(partial_text=PartialText(task_id=self.task_id, delta=delta, offset=self._offset)))
            self._offset += len(delta)
        if self._progress is not None:
            items.append(DownLiveItem(progress=self._progress))
            self._progress = None
        self._next_ms = now_ms + self.every_ms
        return items
