"""Shows events to people: a status line that changes in place on a terminal, plain lines elsewhere, Markdown readable.

Everything that came from outside goes through `plain` first. Programs get the events as they are (`--json`).
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dispatch import errors
from dispatch.cli import Console, policy_words
from dispatch.device import awake_words, key_words, permission_words, question_words, service_clock
from dispatch.device.owner_words import words_of
from dispatch.plain import one_line, plain, plain_markdown
from dispatch.words import ENGLISH, Words
from dispatch.words.spoken import spoken

Event = dict[str, Any]

_CLEAR = "\r\x1b[2K"
_INDENT = "  "
_NARROWEST = 20
_OF_THE_MOMENT = frozenset({"accepted", "scheduled", "waiting", "started"})
"""What heads a task itself, or is not shown of a task that is past."""
_OUTCOMES = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("✗", "yellow"),
    "interrupted": ("✗", "red"),
    "denied": ("✗", "red"),
    "timed_out": ("✗", "red"),
    "refused": ("✗", "red"),
    "not_sent": ("✗", "red"),
}


class Screen:
    """What a person sees of one command."""

    def __init__(self, console: Console, *, terminal: bool) -> None:
        self._console = console
        self._words = console.words
        self._terminal = terminal
        self._status_shown = False
        self._asking = False  # what was asked stands on the last line, which a person may be writing on
        self._task: str | None = None
        self._texts: dict[str, str] = {}  # of the tasks of a thread that is shown, by id

    def say(self, event: Event) -> None:
        """Show one event."""
        if self._console.as_json:
            self._console.event(event)
            return
        event = spoken(event, self._words)
        if "state" in event and "task_id" in event and event["event"] not in ("listed", "unsent"):
            self._ended(event)
            return
        if event["event"] == "confirm":
            self.ask(words_of(event))
            return
        if words := words_of(event):
            self._line(words)
            return
        show: Callable[[Event], None] | None = getattr(self, f"_on_{event['event']}", None)
        if show is not None:
            self._goes_on(event)
            show(event)

    def tell(self, words: str) -> None:
        """Show a line of our own."""
        self._line(words)

    def clear(self) -> None:
        """Take the status line away, and leave the line that was asked on."""
        if self._asking:
            self._console.out.write("\n")
            self._asking = False
        if self._status_shown:
            self._console.out.write(_CLEAR)
            self._console.out.flush()
            self._status_shown = False

    # ---- A task as it goes.

    def _status(self, words: str) -> None:
        if self._task is not None:
            return  # a thread is past: how its tasks once stood is of no interest
        if not self._terminal:
            self._line(words)
            return
        self.clear()
        width = shutil.get_terminal_size().columns - 1
        self._console.out.write(_CLEAR + self._console.styled(one_line(words, width), dim=True))
        self._console.out.flush()
        self._status_shown = True

    def _on_routed(self, event: Event) -> None:
        if event["where"] == "here":
            self._status(f"… {self._words.line('answered_here')}: {one_line(event['text'], 80)}")
        else:
            self._line(
                self._console.styled(f"→ to {one_line(event['host'], 64)}: {one_line(event['text'], 200)}", dim=True)
            )

    def _on_sent(self, event: Event) -> None:
        attempt = event.get("attempt", 1)
        again = f" ({self._words.line('attempt', number=str(attempt))})" if attempt > 1 else ""
        key = "sent_directly" if event.get("path") == "direct" else "sent"
        self._status(f"→ {self._at_host(key, event)}{again}")

    def _on_handed_over(self, event: Event) -> None:
        self._status(f"→ {self._at_host('handed_over', event)}")

    def _on_accepted(self, event: Event) -> None:
        if event.get("number"):  # in the thread it is where the person's words stand
            self._question(event)
            return
        self._status(f"✓ {self._at_host('accepted', event)}")
        if event.get("tampering"):
            self._line(self._console.styled("! The relay had said that this attempt was refused. It lied.", fg="red"))

    def _on_scheduled(self, event: Event) -> None:
        if event.get("number"):
            self._question(event, beside=" (scheduled, late)" if event.get("late") else " (scheduled)")
        else:
            self._status(f"✓ {self._at_host('scheduled', event)}")

    def _on_missed(self, event: Event) -> None:
        self._task = None
        many = f"{event['count']} times, " if event["count"] > 1 else ""
        span = _time_on(event["from"]) + (f" to {_time_on(event['to'])}" if event["count"] > 1 else "")
        self._line("")
        self._line(self._console.styled(f"— not done, {many}{span}: {one_line(event['text'], 80)} —", fg="yellow"))
        self._line(f"  {errors.of_word(event['reason']).words_in(self._words).sentence}")

    def _on_waiting(self, event: Event) -> None:
        self._status(f"… {self._words.line('waiting', position=str(event['position']))}")
        if words := waits_for(event, self._words):
            self._line(self._console.styled(f"! {words}", fg="yellow"))

    def _on_started(self, event: Event) -> None:
        self._status(f"▸ {self._words.line('started', agent=one_line(event['agent'], 40))}")

    def _on_step(self, event: Event) -> None:
        title = question_words.part_title_in(event["title"], self._words)
        self._line(self._folded(f"{_INDENT}· {one_line(title, 200)}"))
        if question_words.is_part_title(event["title"]):
            self._markdown(event["detail"])

    def _on_text(self, event: Event) -> None:
        if self._task is not None or event.get("number"):
            self._markdown(event["text"])
        elif event.get("partial") and self._terminal:  # elsewhere it would stay, and come once more with the answer
            self._status(f"▸ {one_line(event['delta'])}")

    def _on_transfer(self, event: Event) -> None:
        if self._terminal:  # elsewhere the first and the last word have to do
            self._status(bar(event, shutil.get_terminal_size().columns - 1))

    def _on_attached(self, event: Event) -> None:
        self._line(f"  · attached {one_line(event['name'], 80)} ({size(event['size'])})")

    def _on_artifact(self, event: Event) -> None:
        fetch = f"dispatch-phone files get {event['file_id'][:8]}"
        self._line(f"  ↓ {one_line(event['name'], 80)} ({size(event['size'])}): {fetch}")

    def _on_fetched(self, event: Event) -> None:
        words = f"✓ {one_line(event['name'], 80)} ({size(event['size'])}) is in {plain(event['path'])}"
        self._line(self._console.styled(words, fg="green"))

    def _on_stopped(self, event: Event) -> None:
        self._line(event["text"])

    def _on_file(self, event: Event) -> None:
        way = "↓" if event["kind"] == "artifact" else "↑"
        where = f"  {plain(event['path'])}" if event["state"] == "fetched" else ""
        self._line(
            f"{way} {event['file_id'][:8]}  {one_line(event['name'], 60):<40} {size(event['size']):>9}"
            f"  {FILE_STATES[event['state']]:<16} {_day(event['at'])}{where}"
        )

    def _on_asking(self, event: Event) -> None:
        choices = f" ({' / '.join(one_line(choice, 60) for choice in event['choices'])})" if event["choices"] else ""
        is_approval = "digest" in event
        asked = question_words.asked(event["text"], is_approval=is_approval, words=self._words)
        self._line(self._console.styled(self._folded(f"? {asked}{choices}"), fg="yellow"))
        if event.get("detail"):
            self._markdown(event["detail"])
        if event.get("rule"):
            self._line(f"  {self._words.line('holds_for', rule=one_line(event['rule'], 2000))}")
        if self._task is None and "task_id" in event and not self._terminal:
            self._line(f"  dispatch-phone answer {one_line(event['task_id'], 40)} …")

    def _on_out_of_contact(self, event: Event) -> None:
        away = self._words.line("out_of_contact")
        self._line(self._console.styled(f"! {away} {event['text']} {event['advice']}", fg="yellow"))

    def _on_back(self, event: Event) -> None:
        self._line(self._console.styled(f"✓ {self._at_host('back', event)}", fg="green"))

    def _on_unconfirmed(self, event: Event) -> None:
        self._line(f"? {event['text']}")

    def _on_cancelling(self, _: Event) -> None:
        self._status(f"… {self._words.line('cancelling')}")

    def _on_answered(self, event: Event) -> None:
        said = self._words.line("answered_by_nobody")
        if event["by"]:
            said = self._words.line("answered", text=one_line(event["text"], 200), by=one_line(event["by"], 64))
        self._line(f"» {said}")

    def _on_steering(self, _: Event) -> None:
        self._line(f"… {self._words.line('steering')}")

    def _on_steered(self, event: Event) -> None:
        self._line(f"» {self._words.line('steered', text=one_line(event['text'], 200))}")

    def _on_steer_refused(self, event: Event) -> None:
        late = self._words.line("steered_too_late", text=one_line(event["text"], 200))
        self._line(self._console.styled(f"! {late}", fg="yellow"))

    def _ended(self, event: Event) -> None:
        self.clear()
        state = event["state"]
        sign, colour = _OUTCOMES.get(state, ("…", "yellow"))
        if event.get("text"):
            self._markdown(event["text"])
        words = self._state(state)
        reason = f": {event['reason']}" if event.get("reason") else ""
        here = f", {self._words.line('answered_here')}" if event.get("answered") == "here" else ""
        self._line(self._console.styled(f"{sign} {words}{here}{reason}", fg=colour, bold=True))
        self._policy(event)
        for said in ("advice", "resend"):
            if event.get(said):
                self._line(f"  {event[said]}")
        if event.get("warning"):
            self._line(self._console.styled(f"! {event['warning']}", fg="red"))

    # ---- Everything else.

    def _on_signed_in(self, event: Event) -> None:
        self._line(f"Signed in to {plain(event['service'])} as {plain(event['account'])}, as {plain(event['device'])}.")

    def _on_enter_code(self, event: Event) -> None:
        code = self._console.styled(one_line(event["code"], 64), bold=True)
        until = _time(event["expires_at"])
        self._line(f"Open {one_line(event['url'], 512)} in any browser and enter {code} there, until {until}.")
        if event["url_complete"]:
            self._line(f"Or open {one_line(event['url_complete'], 512)}, where it stands already.")

    def _on_signed_up(self, event: Event) -> None:
        self._line(f"The account {plain(event['account'])} is there.")

    def _on_signed_out(self, event: Event) -> None:
        who = "Every device of" if event["everywhere"] else "This phone is signed out of"
        self._line(f"{who} {plain(event['account'])}{' is signed out' if event['everywhere'] else ''}.")

    def _on_password_changed(self, event: Event) -> None:
        self._line(f"{plain(event['account'])} has a new password. All its other devices are signed out.")

    def _on_code(self, event: Event) -> None:
        code = self._console.styled(event["code"], bold=True)
        self._line(f"{one_line(event['peer'], 64)} should show the same code:  {code}")
        self.ask("The same? Type yes or no: ")

    def _on_warning(self, event: Event) -> None:
        self._line(self._console.styled(f"! {event['text']} {event['advice']}", fg="yellow"))

    def _on_paired(self, event: Event) -> None:
        if event.get("number"):
            self._line(self._console.styled("— paired again —" if event.get("again") else "— paired —", dim=True))
        else:
            self._line(self._console.styled(f"✓ Paired with {one_line(event['host'], 64)}.", fg="green"))

    def _on_not_paired(self, event: Event) -> None:
        detail = f" ({one_line(event['detail'], 200)})" if event.get("detail") else ""
        self._line(self._console.styled(f"✗ Not paired. {event['text']}{detail}", fg="red"))
        self._policy(event)
        self._line(f"  {event['advice']}")

    def _on_host(self, event: Event) -> None:
        self._line(f"{one_line(event['host'], 64):<24} {event['state']:<12} since {_day(event['paired_at'])}")
        self._line(f"  {how_it_is(event, self._words)}")
        self._awake(event)

    def _on_unpaired(self, event: Event) -> None:
        told = "" if event["service_told"] else " The service will hear of it when it can be reached."
        self._line(f"{one_line(event['host'], 64)} is no longer paired.{told}")

    def _on_notifications(self, event: Event) -> None:
        key = event["relay_key"]
        words = f"subscribe with {key}" if key else "its relay calls nobody"
        self._line(f"{one_line(event['host'], 64):<24} {words}")

    def _on_notifications_set(self, event: Event) -> None:
        words = "calls there" if event["on"] else "calls nowhere"
        self._line(f"The relay of {one_line(event['host'], 64)} {words} while you do not look.")

    def _on_notification(self, event: Event) -> None:
        self._line(one_line(event["text"], 200))

    def _on_status(self, event: Event) -> None:
        if event["account"] is None:
            self._line("Not signed in.")
        else:
            live = "" if event["signed_in"] else " (the sign-in is over)"
            self._line(
                f"{plain(event['device'])}, signed in as {plain(event['account'])} at {plain(event['server'])}{live}"
            )
            self._line(f"keys: {event['key_store']}")
            if warning := key_words.words(event["key_store"]):
                self._line(warning)
            if wrong := service_clock.words(event["clock_off_ms"]):
                self._line(wrong)
        if not event["hosts"]:
            self._line("Paired with no computer.")
        for host in event["hosts"]:
            self._line(f"{one_line(host['host'], 64)}  {how_it_is(host, self._words)}")
            self._awake(host)
            for task in host.get("tasks", []):
                self._line(f"  {task['state']:<12} {one_line(task['text'], 80)}{_beside(task)}")
                self._line(self._console.styled(f"               {task['task_id']}", dim=True))
                self._asks(task, indent="               ")

    def _on_listed(self, event: Event) -> None:
        reason = f": {event['reason']}" if event.get("reason") else ""
        state = event["state"] + reason
        self._line(f"{_time(event['asked_at'])}  {state:<28} {one_line(event['text'], 80)}{_beside(event)}")
        self._line(self._console.styled(f"       {event['task_id']}", dim=True))
        self._asks(event, indent="       ")
        if event.get("advice") and "asks" not in event:
            self._line(f"       {event.get('resend') or event['advice']}")

    _on_unsent = _on_listed

    def _on_dropped(self, _: Event) -> None:
        self._line("Dropped. It was never done, and its words are deleted.")

    def _on_dismissed(self, _: Event) -> None:
        self._line("Dismissed. If the computer comes back, the thread says what became of it.")

    def _on_link(self, event: Event) -> None:
        from dispatch.doctor.telling import line_of  # noqa: PLC0415 -- one command needs it

        self._line(line_of(event, self._console))

    def _on_doctor(self, event: Event) -> None:
        from dispatch.doctor.telling import last_line_of  # noqa: PLC0415 -- as above

        self._line(last_line_of(event, self._console))

    # ---- The thread.

    def _on_asked(self, event: Event) -> None:
        self._question(event)

    def _goes_on(self, event: Event) -> None:
        """Head what is said of another task than the lines above it: tasks overlap, and no line says whose it is."""
        task_id = event.get("task_id")
        if not event.get("number") or event["event"] in _OF_THE_MOMENT or task_id == self._task:
            return
        if (text := self._texts.get(task_id or "")) is not None:
            self._task = task_id
            words = f"{_time(event['at'])}  {self._words.line('goes_on', text=one_line(text, 80))}"
            self._line("")
            self._line(self._console.styled(words, bold=True))

    def _question(self, event: Event, *, beside: str = "") -> None:
        self._task = event["task_id"]
        self._texts[event["task_id"]] = event["text"].strip().partition("\n")[0]
        self._line("")
        self._line(self._console.styled(f"{_time(event['at'])}  {plain(event['text'])}{beside}", bold=True))

    def _on_ended(self, event: Event) -> None:
        sign, colour = _OUTCOMES.get(event["outcome"], ("·", "yellow"))
        reason = f": {event['reason']}" if event.get("reason") else ""
        if event.get("text"):
            self._markdown(event["text"])
        self._line(self._console.styled(f"{sign} {self._state(event['outcome'])}{reason}", fg=colour))

    def _on_verified(self, event: Event) -> None:
        lost = f", {event['lost']} of which nobody has any more" if event["lost"] else ""
        self._line(
            self._console.styled(f"✓ Every hash, link and signature fits: {event['events']} events{lost}.", fg="green")
        )

    def _on_wrong(self, event: Event) -> None:
        named = f" ({event['id']})" if event["id"] else ""
        self._line(self._console.styled(f"✗ Wrong at event {event['number']}{named}: {event['text']}", fg="red"))

    def _on_exported(self, event: Event) -> None:
        self._line(f"Written to {plain(event['file'])}: {event['events']} events, with what proves them.")

    def _on_lost(self, event: Event) -> None:
        self._line(
            self._console.styled(f"— what stood here up to {event['number']} is gone on the computer —", dim=True)
        )

    def _on_restored(self, _: Event) -> None:
        self._line(self._console.styled("— the computer was set back to an earlier state —", dim=True))

    def _on_unknown(self, event: Event) -> None:
        self._line(f"{event['text']} {event['advice']}")

    def _asks(self, task: Event, *, indent: str) -> None:
        if words := waits_for(task, self._words):
            self._line(self._console.styled(f"{indent}{words}", fg="yellow"))
        if "asks" in task:
            asks = question_words.asked(one_line(task["asks"], 200), is_approval=task["is_approval"], words=self._words)
            self._line(self._console.styled(f"{indent}? {asks} ({self._open_for(task['asked_for_ms'])})", fg="yellow"))
            if not task["is_approval"]:
                for number, choice in enumerate(task["choices"], start=1):
                    self._line(f"{indent}  {number}. {one_line(choice, 200)}")
            command = question_words.answer_command(task["task_id"], task["choices"], is_approval=task["is_approval"])
            self._line(f"{indent}{one_line(self._words.line('answer_it', command=command), 400)}")

    def _open_for(self, since_ms: int) -> str:
        minutes = since_ms // 60_000
        return self._words.line("open_for", minutes=str(minutes)) if minutes else self._words.line("open_now")

    def _awake(self, host: Event) -> None:
        if (state := host.get("keep_awake")) is not None:
            self._line(f"  {one_line(awake_words.words_of_told(state), 200)}")
        if host.get("permissions") is not None:
            for line in permission_words.lines(host):
                self._line(f"  its agents {line}")

    # ---- How it is printed.

    def _at_host(self, key: str, event: Event) -> str:
        return self._words.line(key, host=one_line(event["host"], 64))

    def _state(self, state: str) -> str:
        standing = self._words.states.get(state)
        return standing.word if standing is not None else state.replace("_", " ")

    def _policy(self, event: Event) -> None:
        if words := policy_words(event):
            self._line(f"  {words}")

    def _line(self, words: str) -> None:
        self.clear()
        print(words, file=self._console.out, flush=True)

    def ask(self, words: str) -> None:
        """Ask, and stay on the line."""
        self.clear()
        self._console.out.write(words)
        self._console.out.flush()

    def ask_aside(self, words: str) -> None:
        """Ask while things go on: what is said next begins on a line of its own."""
        self.ask(words)
        self._asking = True

    def was_typed_on(self) -> None:
        """Hear that the person sent their line off: the terminal is on a new one by itself."""
        self._asking = False

    def _folded(self, words: str) -> str:
        """Fold a line with an agent's words: what begins at the beginning of a line is the word of the computer or this phone.

        A terminal would put the rest of one that is too long for it right there, where it may look like another's.
        """
        if not self._terminal:
            return words
        width = max(shutil.get_terminal_size().columns, _NARROWEST)
        return textwrap.fill(words, width, subsequent_indent=_INDENT * 2)

    def _markdown(self, text: str) -> None:
        """Show what an agent wrote, no line of it at the beginning of one."""
        self.clear()
        if not self._terminal:
            for line in plain(text).splitlines():
                self._line(_INDENT + line)
            return
        from rich.console import Console as Rich  # noqa: PLC0415 -- 100 ms that most commands need not pay
        from rich.markdown import Markdown  # noqa: PLC0415
        from rich.padding import Padding  # noqa: PLC0415

        rich = Rich(file=self._console.out, no_color=not self._console.colour, highlight=False)
        rich.print(Padding(Markdown(plain_markdown(text), hyperlinks=False), (0, 0, 0, len(_INDENT))))


_UNITS = ("B", "kB", "MB", "GB", "TB")
_BAR = 24

FILE_STATES = {
    "begun": "not sent yet",
    "sent": "on the computer",
    "there": "can be fetched",
    "fetched": "fetched",
}


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


def how_it_is(host: Event, spoken_words: Words = ENGLISH) -> str:
    """Say how a host is, in one line."""
    host = spoken(host, spoken_words)
    known = spoken_words.reachability.get(host.get("reachability", "unknown"))
    words = known.word if known is not None else str(host["reachability"])
    if host.get("heard_ms_ago") is not None:
        seconds = f"{host['heard_ms_ago'] / 1000:.0f}"
        words += f", {spoken_words.line('heard', seconds=seconds)}"
    words += f": {host['text']}" if host.get("text") else ""
    words += f" ({host['warning']})" if host.get("warning") else ""
    if probe := host.get("probe"):
        words += f"; answered in {probe['round_trip_ms']} ms" if probe["answered"] else "; did not answer the probe"
        if probe["answered"]:
            words += f", {'busy' if probe['busy'] else 'idle'}, {probe['waiting_tasks']} waiting"
    return words


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


def _beside(task: Event) -> str:
    """Say what else a list tells of a task."""
    place = f", number {task['position']} in line" if task.get("position") else ""
    how = " (scheduled)" if task.get("scheduled") else " (answered here)" if task.get("answered") == "here" else ""
    return place + how


def _time_on(at_ms: int) -> str:
    return f"{_day(at_ms)} {_time(at_ms)}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M")


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d")
