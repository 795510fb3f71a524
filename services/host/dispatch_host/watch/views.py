"""What each view of the screen says, line by line, in the words of the commands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dispatch.plain import plain
from dispatch.words import Words

from dispatch_host import telling
from dispatch_host.watch.looking import Look


def now(look: Look, words: Words) -> Iterator[str]:
    """How it is: what `status` says, and in full what is asked."""
    yield from telling.status_lines(look.status, words)
    for asked in look.questions:
        yield ""
        yield from telling.question_lines(asked)


def thread(events: Sequence[bytes]) -> Iterator[str]:
    """The thread: what `thread` says."""
    if not events:
        yield "Nothing was asked yet."
    for content in events:
        _, words = telling.event(content)
        yield words


def files(events: Sequence[bytes]) -> Iterator[str]:
    """The files that went through the thread."""
    lines = [line for content in events for line in telling.file_line(telling.event(content)[0])]
    yield from lines or ["No files yet."]


def history(look: Look, _: Words) -> Iterator[str]:
    """The tasks of all phones: what `tasks` says."""
    if not look.tasks:
        yield "Nothing was asked yet." if look.status.running else "Not known while it does not run."
    questions = {one.task_id: one for one in look.questions}
    for one in look.tasks:
        yield from telling.listed_lines(one, questions.get(one.task_id))


def written(lines: Iterator[str]) -> str:
    """Write lines as they can be shown: whatever came from elsewhere is in them."""
    return "\n".join(plain(line) for line in lines)


OF_STATUS: dict[str, Callable[[Look, Words], Iterator[str]]] = {"now": now, "history": history}
OF_THREAD: dict[str, Callable[[Sequence[bytes]], Iterator[str]]] = {"thread": thread, "files": files}
