"""Says events to people, in lines that know nothing of where they are shown: on a terminal by `screen`, in windows by `tui`.

Everything that came from outside goes through `plain` first, and nothing that an agent says begins where the computer's own word
does. Pure, but for the person's time zone; a `Sayer` remembers whether it is in the thread, where how tasks once stood is of no
interest, and which of its tasks it speaks of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dispatch import errors
from dispatch.device import question_words
from dispatch.device.owner_words import YES_OR_NO, words_of
from dispatch.plain import one_line, plain
from dispatch.words import ENGLISH, Words
from dispatch.words.spoken import spoken

from mobile_sim.saying import accounts, hosts, lists, proofs
from mobile_sim.saying.phrases import (
    OUTCOMES,
    at_host,
    bar,
    holds_for,
    hour,
    size,
    state_word,
    time_on,
    waits_for,
)
from mobile_sim.saying.said import INDENT, Event, How, Said, Says, line, markdown, policy

_SAYS: Says = {**accounts.SAYS, **hosts.SAYS, **lists.SAYS, **proofs.SAYS}
_OF_THE_MOMENT = frozenset({"accepted", "scheduled", "waiting", "started"})
"""What heads a task itself, or is not shown of a task that is past."""


class Sayer:
    """Says the events of one command or one window."""

    def __init__(self, *, width: Callable[[], int], answerable: bool = False, words: Words = ENGLISH) -> None:
        """`width` gives the columns for a bar; `answerable` says that questions are answered where they are shown."""
        self._width = width
        self._answerable = answerable
        self._words = words
        self._task: str | None = None
        self._texts: dict[str, str] = {}  # of the tasks of a thread that is shown, by id

    def say(self, event: Event) -> Iterator[Said]:
        """Say one event; nothing for one that is of no interest to people."""
        event = spoken(event, self._words)
        if "state" in event and "task_id" in event and event["event"] not in ("listed", "unsent"):
            yield from self._ended(event)
            return
        if words := words_of(event, self._words):
            asked = event["event"] == "confirm"
            yield Said(words.removesuffix(YES_OR_NO), how=How.ASKED if asked else How.LINE)
            return
        said = self._said_of(event)
        if said is not None:
            yield from self._goes_on(event)
            yield from said

    def _said_of(self, event: Event) -> Iterator[Said] | None:
        name = event["event"]
        if name in _SAYS:
            return _SAYS[name](event, self._words)
        own: Callable[[Event], Iterator[Said]] | None = getattr(self, f"_on_{name}", None)
        return None if own is None else own(event)

    # ---- A task as it goes.

    def _passing(self, words: str) -> Iterator[Said]:
        if self._task is None:  # a thread is past: how its tasks once stood is of no interest
            yield Said(words, how=How.PASSING)

    def _on_routed(self, event: Event) -> Iterator[Said]:
        if event["where"] == "here":
            yield from self._passing(f"… {self._words.line('answered_here')}: {one_line(event['text'], 80)}")
        else:
            to = self._words.line("routed_to", host=one_line(event["host"], 64), text=one_line(event["text"], 200))
            yield line(f"→ {to}", dim=True)

    def _on_sent(self, event: Event) -> Iterator[Said]:
        attempt = event.get("attempt", 1)
        again = f" ({self._words.line('attempt', number=str(attempt))})" if attempt > 1 else ""
        key = "sent_directly" if event.get("path") == "direct" else "sent"
        yield from self._passing(f"→ {at_host(key, event, self._words)}{again}")

    def _on_handed_over(self, event: Event) -> Iterator[Said]:
        yield from self._passing(f"→ {at_host('handed_over', event, self._words)}")

    def _on_accepted(self, event: Event) -> Iterator[Said]:
        if event.get("number"):  # in the thread it is where the person's words stand
            yield from self._question(event)
            return
        yield from self._passing(f"✓ {at_host('accepted', event, self._words)}")
        if event.get("tampering"):
            yield line(f"! {self._words.cases['TAMPERING'].sentence}", fg="red")

    def _on_scheduled(self, event: Event) -> Iterator[Said]:
        if event.get("number"):
            late = self._words.line("by_schedule_late" if event.get("late") else "by_schedule")
            yield from self._question(event, beside=f" ({late})")
        else:
            yield from self._passing(f"✓ {at_host('scheduled', event, self._words)}")

    def _on_missed(self, event: Event) -> Iterator[Said]:
        self._task = None
        first, last, text = time_on(event["from"]), time_on(event["to"]), one_line(event["text"], 80)
        count = str(event["count"])
        missed = self._words.line("missed", at=first, text=text)
        if event["count"] > 1:
            missed = self._words.line("missed_often", count=count, first=first, last=last, text=text)
        yield line("")
        yield line(f"— {missed} —", fg="yellow")
        if reason := event.get("reason"):
            yield line(f"  {errors.of_word(reason).words_in(self._words).sentence}")

    def _on_waiting(self, event: Event) -> Iterator[Said]:
        yield from self._passing(f"… {self._words.line('waiting', position=str(event['position']))}")
        if words := waits_for(event, self._words):
            yield line(f"! {words}", fg="yellow")

    def _on_started(self, event: Event) -> Iterator[Said]:
        yield from self._passing(f"▸ {self._words.line('started', agent=one_line(event['agent'], 40))}")

    def _on_step(self, event: Event) -> Iterator[Said]:
        title = question_words.part_title_in(event["title"], self._words)
        yield Said(f"{INDENT}· {one_line(title, 200)}", folds=True)
        if question_words.is_part_title(event["title"]):
            yield markdown(event["detail"])

    def _on_text(self, event: Event) -> Iterator[Said]:
        if self._task is not None or event.get("number"):
            yield markdown(event["text"])
        elif event.get("partial"):  # elsewhere it would stay, and come once more with the answer
            yield Said(f"▸ {one_line(event['delta'])}", how=How.PASSING, terminal_only=True)

    def _on_transfer(self, event: Event) -> Iterator[Said]:
        # Elsewhere the first and the last word have to do.
        yield Said(bar(event, self._width()), how=How.PASSING, terminal_only=True)

    def _on_attached(self, event: Event) -> Iterator[Said]:
        attached = self._words.line("attached", name=one_line(event["name"], 80), size=size(event["size"]))
        yield Said(f"{INDENT}· {attached}", folds=True)

    def _on_artifact(self, event: Event) -> Iterator[Said]:
        fetch = f"dispatch-phone files get {event['file_id'][:8]}"
        yield Said(f"{INDENT}↓ {one_line(event['name'], 80)} ({size(event['size'])}): {fetch}", folds=True)

    def _on_fetched(self, event: Event) -> Iterator[Said]:
        about = {"name": one_line(event["name"], 80), "size": size(event["size"]), "path": plain(event["path"])}
        yield line(f"✓ {self._words.line('fetched', **about)}", fg="green")

    def _on_stopped(self, event: Event) -> Iterator[Said]:
        yield line(event["text"])

    def _on_asking(self, event: Event) -> Iterator[Said]:
        choices = f" ({' / '.join(one_line(choice, 60) for choice in event['choices'])})" if event["choices"] else ""
        asked = question_words.asked(event["text"], is_approval="digest" in event, words=self._words)
        yield Said(f"? {asked}{choices}", fg="yellow", folds=True)
        if event.get("detail"):
            yield markdown(event["detail"])
        if event.get("rule"):
            yield Said(f"{INDENT}{holds_for(event['rule'], self._words)}", folds=True)
        if self._task is None and "task_id" in event and not self._answerable:
            yield line(f"  dispatch-phone answer {one_line(event['task_id'], 40)} …")

    def _on_out_of_contact(self, event: Event) -> Iterator[Said]:
        yield line(f"! {self._words.line('out_of_contact')} {event['text']} {event['advice']}", fg="yellow")

    def _on_back(self, event: Event) -> Iterator[Said]:
        yield line(f"✓ {at_host('back', event, self._words)}", fg="green")

    def _on_unconfirmed(self, event: Event) -> Iterator[Said]:
        yield line(f"? {event['text']}")

    def _on_warning(self, event: Event) -> Iterator[Said]:
        yield line(f"! {event['text']} {event['advice']}", fg="yellow")

    def _on_cancelling(self, _: Event) -> Iterator[Said]:
        yield from self._passing(f"… {self._words.line('cancelling')}")

    def _on_answered(self, event: Event) -> Iterator[Said]:
        yield Said(f"» {question_words.closed(event, self._words)}", folds=True)

    def _on_steering(self, _: Event) -> Iterator[Said]:
        yield line(f"… {self._words.line('steering')}")

    def _on_steered(self, event: Event) -> Iterator[Said]:
        yield Said(f"» {self._words.line('steered', text=one_line(event['text'], 200))}", folds=True)

    def _on_steer_refused(self, event: Event) -> Iterator[Said]:
        late = self._words.line("steered_too_late", text=one_line(event["text"], 200))
        yield Said(f"! {late}", fg="yellow", folds=True)

    def _ended(self, event: Event) -> Iterator[Said]:
        state = event["state"]
        sign, colour = OUTCOMES.get(state, ("…", "yellow"))
        if event.get("text"):
            yield markdown(event["text"])
        reason = f": {event['reason']}" if event.get("reason") else ""
        here = f", {self._words.line('answered_here')}" if event.get("answered") == "here" else ""
        yield line(f"{sign} {state_word(state, self._words)}{here}{reason}", fg=colour, bold=True)
        yield from policy(event)
        for said in ("advice", "resend"):
            if event.get(said):
                yield line(f"  {event[said]}")
        if event.get("warning"):
            yield line(f"! {event['warning']}", fg="red")

    # ---- The thread.

    def _on_asked(self, event: Event) -> Iterator[Said]:
        yield from self._question(event)

    def _goes_on(self, event: Event) -> Iterator[Said]:
        """Head what is said of another task than the lines above it: tasks overlap, and no line says whose it is."""
        task_id = event.get("task_id")
        if not event.get("number") or event["event"] in _OF_THE_MOMENT or task_id == self._task:
            return
        if (text := self._texts.get(task_id or "")) is not None:
            self._task = task_id
            yield line("")
            yield line(f"{hour(event['at'])}  {self._words.line('goes_on', text=one_line(text, 80))}", bold=True)

    def _question(self, event: Event, *, beside: str = "") -> Iterator[Said]:
        self._task = event["task_id"]
        self._texts[event["task_id"]] = event["text"].strip().partition("\n")[0]
        yield line("")
        yield line(f"{hour(event['at'])}  {plain(event['text'])}{beside}", bold=True)

    def _on_ended(self, event: Event) -> Iterator[Said]:
        sign, colour = OUTCOMES.get(event["outcome"], ("·", "yellow"))
        reason = f": {event['reason']}" if event.get("reason") else ""
        if event.get("text"):
            yield markdown(event["text"])
        yield line(f"{sign} {state_word(event['outcome'], self._words)}{reason}", fg=colour)
