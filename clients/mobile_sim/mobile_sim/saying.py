"""Says events to people, in lines that know nothing of where they are shown: on a terminal by `screen`, in windows by `tui`.

Everything that came from outside goes through `plain` first, and nothing that an agent says begins where the computer's own word
does. Pure, but for the person's time zone; a `Sayer` remembers whether it is in the thread, where how tasks once stood is of no
interest, and which of its tasks it speaks of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from dispatch import errors
from dispatch.cli import policy_words, refusal_lines
from dispatch.device import awake_words, key_words, permission_words, question_words, service_clock
from dispatch.device.owner_words import YES_OR_NO, words_of
from dispatch.plain import one_line, plain
from dispatch.words import ENGLISH, Words, filled
from dispatch.words.spoken import spoken

Event = dict[str, Any]

_INDENT = "  "
_OF_THE_MOMENT = frozenset({"accepted", "scheduled", "waiting", "started"})
"""What heads a task itself, or is not shown of a task that is past."""
OUTCOMES = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("✗", "yellow"),
    "interrupted": ("✗", "red"),
    "denied": ("✗", "red"),
    "timed_out": ("✗", "red"),
    "refused": ("✗", "red"),
    "not_sent": ("✗", "red"),
}
"""The sign and the colour of each way in which a task ends."""
CALLS = {"news": "call_news", "question": "call_question"}
"""Why a computer calls, as its relay says it, and the line that says so."""


class How(Enum):
    """How something that was said is shown."""

    LINE = "line"
    PASSING = "passing"
    """Until the next is said."""
    MARKDOWN = "markdown"
    """As it came: whoever renders it makes it plain first."""
    ASKED = "asked"
    """A yes or a no is waited for."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is said, with its style."""

    text: str
    how: How = How.LINE
    fg: str | None = None
    bold: bool = False
    dim: bool = False
    indent: str = ""
    strong: str = ""
    """The part of the text that stands out."""
    terminal_only: bool = False
    folds: bool = False
    """Whether an agent's words are in it: the rest of a line that is too long stands further in, not where a line begins."""


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
        say: Callable[[Event], Iterator[Said]] | None = getattr(self, f"_on_{event['event']}", None)
        if say is not None:
            yield from self._goes_on(event)
            yield from say(event)

    # ---- A task as it goes.

    def _passing(self, words: str) -> Iterator[Said]:
        if self._task is None:  # a thread is past: how its tasks once stood is of no interest
            yield Said(words, how=How.PASSING)

    def _on_routed(self, event: Event) -> Iterator[Said]:
        if event["where"] == "here":
            yield from self._passing(f"… {self._words.line('answered_here')}: {one_line(event['text'], 80)}")
        else:
            to = self._words.line("routed_to", host=one_line(event["host"], 64), text=one_line(event["text"], 200))
            yield _line(f"→ {to}", dim=True)

    def _on_sent(self, event: Event) -> Iterator[Said]:
        attempt = event.get("attempt", 1)
        again = f" ({self._words.line('attempt', number=str(attempt))})" if attempt > 1 else ""
        key = "sent_directly" if event.get("path") == "direct" else "sent"
        yield from self._passing(f"→ {self._at_host(key, event)}{again}")

    def _on_handed_over(self, event: Event) -> Iterator[Said]:
        yield from self._passing(f"→ {self._at_host('handed_over', event)}")

    def _on_accepted(self, event: Event) -> Iterator[Said]:
        if event.get("number"):  # in the thread it is where the person's words stand
            yield from self._question(event)
            return
        yield from self._passing(f"✓ {self._at_host('accepted', event)}")
        if event.get("tampering"):
            yield _line(f"! {self._words.cases['TAMPERING'].sentence}", fg="red")

    def _on_scheduled(self, event: Event) -> Iterator[Said]:
        if event.get("number"):
            late = self._words.line("by_schedule_late" if event.get("late") else "by_schedule")
            yield from self._question(event, beside=f" ({late})")
        else:
            yield from self._passing(f"✓ {self._at_host('scheduled', event)}")

    def _on_missed(self, event: Event) -> Iterator[Said]:
        self._task = None
        first, last, text = _time_on(event["from"]), _time_on(event["to"]), one_line(event["text"], 80)
        count = str(event["count"])
        missed = self._words.line("missed", at=first, text=text)
        if event["count"] > 1:
            missed = self._words.line("missed_often", count=count, first=first, last=last, text=text)
        yield _line("")
        yield _line(f"— {missed} —", fg="yellow")
        if reason := event.get("reason"):
            yield _line(f"  {errors.of_word(reason).words_in(self._words).sentence}")

    def _on_waiting(self, event: Event) -> Iterator[Said]:
        yield from self._passing(f"… {self._words.line('waiting', position=str(event['position']))}")
        if words := waits_for(event, self._words):
            yield _line(f"! {words}", fg="yellow")

    def _on_started(self, event: Event) -> Iterator[Said]:
        yield from self._passing(f"▸ {self._words.line('started', agent=one_line(event['agent'], 40))}")

    def _on_step(self, event: Event) -> Iterator[Said]:
        title = question_words.part_title_in(event["title"], self._words)
        yield Said(f"{_INDENT}· {one_line(title, 200)}", folds=True)
        if question_words.is_part_title(event["title"]):
            yield _markdown(event["detail"])

    def _on_text(self, event: Event) -> Iterator[Said]:
        if self._task is not None or event.get("number"):
            yield _markdown(event["text"])
        elif event.get("partial"):  # elsewhere it would stay, and come once more with the answer
            yield Said(f"▸ {one_line(event['delta'])}", how=How.PASSING, terminal_only=True)

    def _on_transfer(self, event: Event) -> Iterator[Said]:
        # Elsewhere the first and the last word have to do.
        yield Said(bar(event, self._width()), how=How.PASSING, terminal_only=True)

    def _on_attached(self, event: Event) -> Iterator[Said]:
        attached = self._words.line("attached", name=one_line(event["name"], 80), size=size(event["size"]))
        yield Said(f"{_INDENT}· {attached}", folds=True)

    def _on_artifact(self, event: Event) -> Iterator[Said]:
        fetch = f"dispatch-phone files get {event['file_id'][:8]}"
        yield Said(f"{_INDENT}↓ {one_line(event['name'], 80)} ({size(event['size'])}): {fetch}", folds=True)

    def _on_fetched(self, event: Event) -> Iterator[Said]:
        about = {"name": one_line(event["name"], 80), "size": size(event["size"]), "path": plain(event["path"])}
        yield _line(f"✓ {self._words.line('fetched', **about)}", fg="green")

    def _on_stopped(self, event: Event) -> Iterator[Said]:
        yield _line(event["text"])

    def _on_file(self, event: Event) -> Iterator[Said]:
        way = "↓" if event["kind"] == "artifact" else "↑"
        where = f"  {plain(event['path'])}" if event["state"] == "fetched" else ""
        yield _line(
            f"{way} {event['file_id'][:8]}  {one_line(event['name'], 60):<40} {size(event['size']):>9}"
            f"  {file_state(event, self._words):<16} {day(event['at'])}{where}"
        )

    def _on_asking(self, event: Event) -> Iterator[Said]:
        choices = f" ({' / '.join(one_line(choice, 60) for choice in event['choices'])})" if event["choices"] else ""
        asked = question_words.asked(event["text"], is_approval="digest" in event, words=self._words)
        yield Said(f"? {asked}{choices}", fg="yellow", folds=True)
        if event.get("detail"):
            yield _markdown(event["detail"])
        if event.get("rule"):
            yield Said(f"{_INDENT}{holds_for(event['rule'], self._words)}", folds=True)
        if self._task is None and "task_id" in event and not self._answerable:
            yield _line(f"  dispatch-phone answer {one_line(event['task_id'], 40)} …")

    def _on_out_of_contact(self, event: Event) -> Iterator[Said]:
        yield _line(f"! {self._words.line('out_of_contact')} {event['text']} {event['advice']}", fg="yellow")

    def _on_back(self, event: Event) -> Iterator[Said]:
        yield _line(f"✓ {self._at_host('back', event)}", fg="green")

    def _on_unconfirmed(self, event: Event) -> Iterator[Said]:
        yield _line(f"? {event['text']}")

    def _on_cancelling(self, _: Event) -> Iterator[Said]:
        yield from self._passing(f"… {self._words.line('cancelling')}")

    def _on_answered(self, event: Event) -> Iterator[Said]:
        yield Said(f"» {question_words.closed(event, self._words)}", folds=True)

    def _on_steering(self, _: Event) -> Iterator[Said]:
        yield _line(f"… {self._words.line('steering')}")

    def _on_steered(self, event: Event) -> Iterator[Said]:
        yield Said(f"» {self._words.line('steered', text=one_line(event['text'], 200))}", folds=True)

    def _on_steer_refused(self, event: Event) -> Iterator[Said]:
        late = self._words.line("steered_too_late", text=one_line(event["text"], 200))
        yield Said(f"! {late}", fg="yellow", folds=True)

    def _ended(self, event: Event) -> Iterator[Said]:
        state = event["state"]
        sign, colour = OUTCOMES.get(state, ("…", "yellow"))
        if event.get("text"):
            yield _markdown(event["text"])
        reason = f": {event['reason']}" if event.get("reason") else ""
        here = f", {self._words.line('answered_here')}" if event.get("answered") == "here" else ""
        yield _line(f"{sign} {state_word(state, self._words)}{here}{reason}", fg=colour, bold=True)
        yield from self._policy(event)
        for said in ("advice", "resend"):
            if event.get(said):
                yield _line(f"  {event[said]}")
        if event.get("warning"):
            yield _line(f"! {event['warning']}", fg="red")

    # ---- Everything else.

    def _on_signed_in(self, event: Event) -> Iterator[Said]:
        named = {name: plain(event[name]) for name in ("service", "account", "device")}
        yield _line(self._words.window("signed_in", **named))

    def _on_enter_code(self, event: Event) -> Iterator[Said]:
        code = one_line(event["code"], 64)
        until = hour(event["expires_at"])
        url, complete = one_line(event["url"], 512), one_line(event["url_complete"], 512)
        yield _line(self._words.window("enter_code", url=url, code=code, hour=until), strong=code)
        if complete:
            yield _line(self._words.window("enter_no_code", url=complete))

    def _on_signed_up(self, event: Event) -> Iterator[Said]:
        yield _line(self._words.window("signed_up", account=plain(event["account"])))

    def _on_signed_out(self, event: Event) -> Iterator[Said]:
        key = "signed_out_everywhere" if event["everywhere"] else "signed_out"
        yield _line(self._words.window(key, account=plain(event["account"])))

    def _on_password_changed(self, event: Event) -> Iterator[Said]:
        yield _line(self._words.window("password_changed", account=plain(event["account"])))

    def _on_code(self, event: Event) -> Iterator[Said]:
        code = event["code"]
        same = self._words.window("same_code", peer=one_line(event["peer"], 64))
        yield _line(f"{same}  {code}", strong=code)
        yield Said(self._words.window("same_question"), how=How.ASKED)

    def _on_warning(self, event: Event) -> Iterator[Said]:
        yield _line(f"! {event['text']} {event['advice']}", fg="yellow")

    def _on_paired(self, event: Event) -> Iterator[Said]:
        if event.get("number"):
            mark = self._words.line("paired_again" if event.get("again") else "paired_mark")
            yield _line(f"— {mark} —", dim=True)
        else:
            yield _line(f"✓ {self._at_host('paired_with', event)}", fg="green")

    def _on_not_paired(self, event: Event) -> Iterator[Said]:
        detail = f" ({one_line(event['detail'], 200)})" if event.get("detail") else ""
        yield _line(f"✗ {self._words.line('not_paired')} {event['text']}{detail}", fg="red")
        yield from self._policy(event)
        yield _line(f"  {event['advice']}")

    def _on_host(self, event: Event) -> Iterator[Said]:
        since = self._words.line("since", hour=day(event["paired_at"]))
        yield _line(f"{one_line(event['host'], 64):<24} {event['state']:<12} {since}")
        yield _line(f"  {how_it_is(event, self._words)}")
        yield from self._awake(event)

    def _on_unpaired(self, event: Event) -> Iterator[Said]:
        yield _line(self._at_host("unpaired" if event["service_told"] else "unpaired_untold", event))

    def _on_notifications(self, event: Event) -> Iterator[Said]:
        key = event["relay_key"]
        words = self._words.line("called_by", key=key) if key else self._words.line("called_never")
        yield _line(f"{one_line(event['host'], 64):<24} {words}")

    def _on_notifications_set(self, event: Event) -> Iterator[Said]:
        yield _line(self._at_host("called_there" if event["on"] else "called_nowhere", event))

    def _on_notification(self, event: Event) -> Iterator[Said]:
        yield _line(self._at_host(CALLS[event["hint"]], event))

    def _on_status(self, event: Event) -> Iterator[Said]:
        if event["account"] is None:
            yield _line(self._words.window("signed_in_nowhere"))
        else:
            live = "" if event["signed_in"] else f" ({self._words.window('no_longer')})"
            named = {name: plain(event[name]) for name in ("device", "account", "server")}
            yield _line(filled(self._words.page["signed_in"], **named) + live)
            yield _line(f"keys: {event['key_store']}")
            if warning := key_words.words(event["key_store"]):
                yield _line(warning)
            if wrong := service_clock.words(event["clock_off_ms"]):
                yield _line(wrong)
        if not event["hosts"]:
            yield _line(self._words.window("no_computer_yet"))
        for host in event["hosts"]:
            yield _line(f"{one_line(host['host'], 64)}  {how_it_is(host, self._words)}")
            yield from self._awake(host)
            for task in host.get("tasks", []):
                yield _line(
                    f"  {state_word(task['state'], self._words):<16} {one_line(task['text'], 80)}{_beside(task, self._words)}"
                )
                yield _line(f"{'':<19}{task['task_id']}", dim=True)
                yield from self._asks(task, indent=" " * 19)

    def _on_listed(self, event: Event) -> Iterator[Said]:
        reason = f": {event['reason']}" if event.get("reason") else ""
        state = state_word(event["state"], self._words) + reason
        yield _line(
            f"{hour(event['asked_at'])}  {state:<28} {one_line(event['text'], 80)}{_beside(event, self._words)}"
        )
        yield _line(f"       {event['task_id']}", dim=True)
        yield from self._asks(event, indent="       ")
        if event.get("advice") and "asks" not in event:
            yield _line(f"       {event.get('resend') or event['advice']}")

    _on_unsent = _on_listed

    def _on_dropped(self, _: Event) -> Iterator[Said]:
        yield _line(self._words.states["dropped"].sentence)

    def _on_dismissed(self, _: Event) -> Iterator[Said]:
        said = self._words.reasons["DISMISSED"]
        yield _line(f"{said.sentence} {said.advice}")

    def _on_link(self, event: Event) -> Iterator[Said]:
        from dispatch.doctor.telling import worded  # noqa: PLC0415 -- one command needs it

        words, style = worded(event)
        yield _line(words, **style)

    def _on_doctor(self, event: Event) -> Iterator[Said]:
        from dispatch.doctor.telling import verdict_worded  # noqa: PLC0415 -- as above

        words, style = verdict_worded(event)
        yield _line(words, **style)

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
            yield _line("")
            yield _line(f"{hour(event['at'])}  {self._words.line('goes_on', text=one_line(text, 80))}", bold=True)

    def _question(self, event: Event, *, beside: str = "") -> Iterator[Said]:
        self._task = event["task_id"]
        self._texts[event["task_id"]] = event["text"].strip().partition("\n")[0]
        yield _line("")
        yield _line(f"{hour(event['at'])}  {plain(event['text'])}{beside}", bold=True)

    def _on_ended(self, event: Event) -> Iterator[Said]:
        sign, colour = OUTCOMES.get(event["outcome"], ("·", "yellow"))
        reason = f": {event['reason']}" if event.get("reason") else ""
        if event.get("text"):
            yield _markdown(event["text"])
        yield _line(f"{sign} {state_word(event['outcome'], self._words)}{reason}", fg=colour)

    def _on_verified(self, event: Event) -> Iterator[Said]:
        lost = f", {event['lost']} of which nobody has any more" if event["lost"] else ""
        yield _line(f"✓ Every hash, link and signature fits: {event['events']} events{lost}.", fg="green")

    def _on_wrong(self, event: Event) -> Iterator[Said]:
        named = f" ({event['id']})" if event["id"] else ""
        yield _line(f"✗ Wrong at event {event['number']}{named}: {event['text']}", fg="red")

    def _on_exported(self, event: Event) -> Iterator[Said]:
        yield _line(f"Written to {plain(event['file'])}: {event['events']} events, with what proves them.")

    def _on_lost(self, event: Event) -> Iterator[Said]:
        yield _line(f"— {self._words.line('lost', number=str(event['number']))} —", dim=True)

    def _on_restored(self, _: Event) -> Iterator[Said]:
        yield _line(f"— {self._words.line('restored')} —", dim=True)

    def _on_unknown(self, event: Event) -> Iterator[Said]:
        yield _line(f"{event['text']} {event['advice']}")

    def _asks(self, task: Event, *, indent: str) -> Iterator[Said]:
        if words := waits_for(task, self._words):
            yield _line(f"{indent}{words}", fg="yellow")
        if "asks" in task:
            is_approval, choices = task["is_approval"], task["choices"]
            asks = question_words.asked(one_line(task["asks"], 200), is_approval=is_approval, words=self._words)
            yield _line(f"{indent}? {asks} ({self._open_for(task['asked_for_ms'])})", fg="yellow")
            if not is_approval:
                for number, choice in enumerate(choices, start=1):
                    yield _line(f"{indent}  {number}. {one_line(choice, 200)}")
            command = question_words.answer_command(task["task_id"], choices, is_approval=is_approval)
            yield _line(f"{indent}{one_line(self._words.line('answer_it', command=command), 400)}")

    def _open_for(self, since_ms: int) -> str:
        minutes = since_ms // 60_000
        return self._words.line("open_for", minutes=str(minutes)) if minutes else self._words.line("open_now")

    def _awake(self, host: Event) -> Iterator[Said]:
        if (state := host.get("keep_awake")) is not None:
            yield _line(f"  {one_line(awake_words.words_of_told(state, self._words), 200)}")
        if host.get("permissions") is not None:
            for line in permission_words.lines(host, self._words):
                yield _line(f"  {self._words.window('its_agents', what=line)}")

    def _at_host(self, key: str, event: Event) -> str:
        return self._words.line(key, host=one_line(event["host"], 64))

    def _policy(self, event: Event) -> Iterator[Said]:
        if words := policy_words(event):
            yield _line(f"  {words}")


def refusal_said(error: errors.DispatchError, words: Words = ENGLISH) -> Iterator[Said]:
    """Say no: the sentence with its detail, the operator's policy if there is one, the advice."""
    sentence, *more = refusal_lines(error, words)
    yield _line(sentence, fg="red")
    yield from (_line(line) for line in more)


def _line(words: str, *, fg: str | None = None, bold: bool = False, dim: bool = False, strong: str = "") -> Said:
    return Said(words, fg=fg, bold=bold, dim=dim, strong=strong)


def _markdown(text: str) -> Said:
    """Say what an agent wrote, no line of it at the beginning of one."""
    return Said(text, how=How.MARKDOWN, indent=_INDENT)


_UNITS = ("B", "kB", "MB", "GB", "TB")
_BAR = 24


def file_state(file: Event, words: Words) -> str:
    """Say how a file of the list is."""
    return words.line(_FILE_STATES[file["state"]])


_FILE_STATES = {"begun": "file_begun", "sent": "file_sent", "there": "file_there", "fetched": "file_fetched"}


def size(count: int) -> str:
    """Write a number of bytes for people."""
    scaled, unit = float(count), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.0f} {_UNITS[unit]}" if unit == 0 or scaled >= 100 else f"{scaled:.3g} {_UNITS[unit]}"


def bar(event: Event, width: int) -> str:
    """Draw how far a transfer is."""
    whole, done = event["size"], event["done"]
    part = 1.0 if not whole else min(done / whole, 1.0)
    filled = round(_BAR * part)
    sign = "↑" if event["direction"] == "to_host" else "↓"
    drawn = f"[{'█' * filled}{'·' * (_BAR - filled)}] {part:.0%}, {size(done)} of {size(whole)}"
    name = one_line(event["name"], max(8, width - len(drawn) - 4))
    return f"{sign} {name} {drawn}"


def state_word(state: str, words: Words) -> str:
    """Write how a task stands; a state that this version does not know is written as it came."""
    standing = words.states.get(state)
    return standing.word if standing is not None else state.replace("_", " ")


def holds_for(rule: str, words: Words) -> str:
    """Say what the answers *task* and *always* hold for."""
    return words.line("holds_for", rule=one_line(rule, 2000))


def waits_for(task: Event, words: Words = ENGLISH) -> str:
    """Say that a task which waits does so for a person's answer to another; empty for one that does not."""
    if not task.get("asking"):
        return ""
    if not (known := task.get("asking_task_id")):
        return words.line("waits_for_another_phone")
    said = words.line("waits_for_answer")
    if text := task.get("asking_text"):
        said = words.line("waits_for_answer_to", text=repr(one_line(text.strip(), 80)))
    return f"{said} dispatch-phone answer {one_line(known, 40)} …"


def how_it_is(host: Event, spoken_words: Words = ENGLISH) -> str:
    """Say how a host is, in one line."""
    host = spoken(host, spoken_words)
    known = spoken_words.reachability.get(host.get("reachability", "unknown"))
    words = known.word if known is not None else str(host["reachability"])
    if host.get("heard_ms_ago") is not None:
        seconds = f"{host['heard_ms_ago'] / 1000:.0f}"
        words += f", {spoken_words.line('heard', seconds=seconds)}"
    elif host.get("since"):
        words += f", {spoken_words.line('since', hour=hour(host['since']))}"
    words += f": {host['text']}" if host.get("text") else ""
    words += f" ({host['warning']})" if host.get("warning") else ""
    if probe := host.get("probe"):
        if probe["answered"]:
            key = "answers_busy" if probe["busy"] else "answers_idle"
            said = {"ms": str(probe["round_trip_ms"]), "count": str(probe["waiting_tasks"])}
            words += f"; {spoken_words.window(key, **said)}"
        else:
            words += f"; {spoken_words.window('answers_not')}"
    return words


def _beside(task: Event, words: Words) -> str:
    """Say what else a list tells of a task."""
    place = f", {words.line('in_line', position=str(task['position']))}" if task.get("position") else ""
    how = "by_schedule" if task.get("scheduled") else "answered_here" if task.get("answered") == "here" else ""
    return place + (f" ({words.line(how)})" if how else "")


def _time_on(at_ms: int) -> str:
    return f"{day(at_ms)} {hour(at_ms)}"


def hour(at_ms: int) -> str:
    """Write when something was, for people: the hour."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M")


def day(at_ms: int) -> str:
    """Write when something was, for people: the day."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d")
