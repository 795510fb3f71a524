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
        yield from telling.question_lines(asked, words)


def thread(events: Sequence[bytes], words: Words) -> Iterator[str]:
    """The thread: what `thread` says."""
    if not events:
        yield words.window("nothing_asked")
    for content in events:
        _, lines = telling.event(content, words)
        yield lines


def files(events: Sequence[bytes], words: Words) -> Iterator[str]:
    """The files that went through the thread."""
    lines = [line for content in events for line in telling.file_line(telling.event(content)[0], words)]
    yield from lines or [words.window("no_files")]


def history(look: Look, words: Words) -> Iterator[str]:
    """The tasks of all phones: what `tasks` says."""
    if not look.tasks:
        yield words.window("nothing_asked" if look.status.running else "not_known")
    questions = {one.task_id: one for one in look.questions}
    for one in look.tasks:
        yield from telling.listed_lines(one, questions.get(one.task_id), words)


def written(lines: Iterator[str]) -> str:
    """Write lines as they can be shown: whatever came from elsewhere is in them."""
    return "\n".join(plain(line) for line in lines)


OF_STATUS: dict[str, Callable[[Look, Words], Iterator[str]]] = {"now": now, "history": history}
OF_THREAD: dict[str, Callable[[Sequence[bytes], Words], Iterator[str]]] = {"thread": thread, "files": files}
