"""The phone as a screen: puts the windows together, hands what `watch` says to them, and what the person wants to the desk."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any, ClassVar
from uuid import uuid4

from dispatch import errors
from dispatch.plain import one_line
from dispatch.tui.keys import Keys
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, WorkerError

from mobile_sim.files_cli import absolute
from mobile_sim.routing import Choice
from mobile_sim.saying.said import Said, refusal_said
from mobile_sim.saying.sayer import Sayer
from mobile_sim.tui.at_desk import AtDesk
from mobile_sim.tui.card_view import CardView
from mobile_sim.tui.composer import Composer
from mobile_sim.tui.conversation import Card, Conversation
from mobile_sim.tui.files_page import FilesPage
from mobile_sim.tui.head import head
from mobile_sim.tui.help_page import HelpPage
from mobile_sim.tui.hosts_page import HostsPage
from mobile_sim.tui.lines import Lines
from mobile_sim.tui.outbox_page import OutboxPage
from mobile_sim.tui.path import typed_path
from mobile_sim.tui.performing import followed, quietly
from mobile_sim.tui.prompt import Ask
from mobile_sim.tui.question_view import QuestionView
from mobile_sim.tui.rendering import text_of
from mobile_sim.tui.settings_page import SettingsPage
from mobile_sim.tui.thread_view import ThreadView

Event = dict[str, Any]

_NEWS_LINES = 4
_ROUTES = (Choice.AUTO, Choice.HOST, Choice.HERE)
_ROUTE_WORDS = {Choice.HOST: "answered_by_computer", Choice.HERE: "answered_by_phone"}


class PhoneApp(App[None]):
    """One phone on one terminal."""

    TITLE = "Dispatch"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "phone_app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "page('help')", "help"),
        Binding("f2", "page('hosts')", "computers"),
        Binding("f3", "page('files')", "files"),
        Binding("f4", "page('outbox')", "outbox"),
        Binding("f5", "page('settings')", "settings"),
        Binding("ctrl+o", "attach", "", show=False),
        Binding("ctrl+r", "route", "", show=False),
        Binding("ctrl+t", "next_host", "", show=False),
        Binding("ctrl+q", "quit", "quit", priority=True),
    ]
    PAGES: ClassVar = {
        "help": HelpPage,
        "hosts": HostsPage,
        "files": FilesPage,
        "outbox": OutboxPage,
        "settings": SettingsPage,
    }

    def __init__(self, desk: AtDesk, *, most_bytes: int) -> None:
        super().__init__(ansi_color=True)
        # Fixed after __init__.
        self.desk = desk
        self.most_bytes = most_bytes
        # What `watch` said.
        self.status: Event = {}
        self.words = desk.words
        self.conversation = Conversation(Sayer(width=lambda: 60, answerable=True, words=desk.words), desk.words)
        self._changed: dict[int, Card] = {}
        # What the person chose.
        self.thread = ""
        self.folder = absolute(typed_path("."))
        self._attached: list[str] = []
        self._route = Choice.AUTO

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield ThreadView(self.words)
        news = Lines(most=_NEWS_LINES)
        news.add_class("news")
        yield news
        yield Static(id="beside", markup=False)
        yield Composer(self.words)
        yield Keys(self.words)

    def on_mount(self) -> None:
        """Begin to watch."""
        self.theme = "ansi-dark"
        self._show_head()
        self._show_beside()
        self.query_one(Composer).focus()
        self._watch()

    @property
    def host(self) -> Event | None:
        """Give the computer that the thread is with, while it is paired."""
        return next((host for host in self.status.get("hosts", []) if host["thread"] == self.thread), None)

    @property
    def news(self) -> Lines:
        return self._main.query_one(Lines)

    @property
    def _main(self) -> Screen[Any]:
        return self.screen_stack[0]

    # ---- What is heard.

    @work(group="watch")
    async def _watch(self) -> None:
        try:
            await self.desk.watch(self._heard)
        except errors.DispatchError as error:
            self.news.say(refusal_said(error, self.words))

    def _heard(self, event: Event) -> None:
        if event["event"] == "status":
            self.status = event
            self.call_later(self._show_status)
        elif (card := self.conversation.take(event)) is not None and card.thread == self.thread:
            if not self._changed:
                self.call_later(self._show_changed)  # once for all that comes together
            self._changed[id(card)] = card

    async def _show_status(self) -> None:
        threads = [one["thread"] for one in (*self.status["hosts"], *reversed(self.status["former"]))]
        if self.host is None and threads and (self.status["hosts"] or self.thread not in threads):
            await self.choose(threads[0])
        self._show_head()
        for screen in self.screen_stack:  # also one that another window lies on: the person comes back to it
            if isinstance(screen, HostsPage):
                screen.load()

    async def _show_changed(self) -> None:
        changed, self._changed = list(self._changed.values()), {}
        await self._main.query_one(ThreadView).changed(card for card in changed if card.thread == self.thread)

    async def choose(self, thread: str) -> None:
        """Show the thread with another computer."""
        if thread != self.thread:
            self.thread = thread
            self._changed = {}
            await self._main.query_one(ThreadView).show(self.conversation.cards(thread))
        self._show_head()

    def _show_head(self) -> None:
        former = next((one["host"] for one in self.status.get("former", []) if one["thread"] == self.thread), "")
        self._main.query_one("#head", Static).update(text_of(head(self.status, self.host, former, self.words)))

    def _show_beside(self) -> None:
        names = ", ".join(one_line(os.path.basename(path), 40) for path in self._attached)
        route = self.words.window(_ROUTE_WORDS[self._route]) if self._route in _ROUTE_WORDS else ""
        words = "  ".join(filter(None, (f"+ {names}" if names else "", route)))
        beside = self._main.query_one("#beside", Static)
        beside.update(text_of(Said(words, dim=True)))
        beside.display = bool(words)

    # ---- What the person wants.

    def action_page(self, name: str) -> None:
        """Open a window, in place of another one."""
        if len(self.screen_stack) == 1:
            self.push_screen(self.PAGES[name]())
        elif not self.screen.is_modal and not isinstance(self.screen, self.PAGES[name]):
            self.switch_screen(self.PAGES[name]())

    async def action_next_host(self) -> None:
        """Go on to the next computer."""
        threads = [host["thread"] for host in self.status.get("hosts", [])]
        if threads:
            place = threads.index(self.thread) + 1 if self.thread in threads else 0
            await self.choose(threads[place % len(threads)])

    def action_route(self) -> None:
        """Decide who answers the next task."""
        self._route = _ROUTES[(_ROUTES.index(self._route) + 1) % len(_ROUTES)]
        self._show_beside()

    @work
    async def action_attach(self) -> None:
        """Attach a file to the next task; nothing takes all away."""
        said = await self.push_screen_wait(Ask(self.words.window("attach_which"), self.words))
        if said is None:
            return
        path = absolute(typed_path(said)) if said.strip() else ""
        if path and not await asyncio.to_thread(os.path.isfile, path):
            self.news.say(
                refusal_said(errors.BadRequest(f"{path} is no file", metadata={"field": "attach"}), self.words)
            )
            return
        self._attached = [*self._attached, path] if path else []
        self._show_beside()

    def on_composer_sent(self, event: Composer.Sent) -> None:
        """Send a task."""
        paths, self._attached = self._attached, []
        self.query_one(Composer).clear()
        self.news.forget()
        self._show_beside()
        self._send(event.words, paths)

    @work(group="send", exclusive=False)
    async def _send(self, words: str, paths: list[str]) -> None:
        kept = await followed(
            self,
            {
                "do": "send",
                "text": words,
                "host": self.host["pair_id"] if self.host is not None else None,
                "wait": None,
                "id": str(uuid4()),
                "attach": paths,
                "route": self._route.value,
                "most_bytes": self.most_bytes,
            },
        )
        composer = self._main.query_one(Composer)
        if not kept and not composer.text:  # nothing was kept of it: the words are the person's again
            composer.text = words
            self._attached = [*paths, *self._attached]
            self._show_beside()

    @work(group="send", exclusive=False)
    async def resend(self, task_id: str) -> None:
        """Send a task again, as the same task."""
        await followed(self, {"do": "resend", "id": task_id, "wait": None, "most_bytes": self.most_bytes})

    @work(exclusive=False)
    async def on_card_view_wished(self, event: CardView.Wished) -> None:
        """Do something about a task."""
        card = event.card
        match event.what:
            case "cancel" | "drop" | "dismiss":
                await quietly(self, {"do": event.what, "id": card.task_id})
            case "resend":
                self.resend(card.task_id)
            case "steer":
                words = await self.push_screen_wait(Ask(self.words.window("steer_which"), self.words))
                if words and words.strip():
                    await quietly(self, {"do": "steer", "id": card.task_id, "text": words})
            case "fetch":
                self.action_page("files")

    @work(exclusive=False)
    async def on_question_view_answered(self, event: QuestionView.Answered) -> None:
        """Answer what a task asks: exactly the question that was shown."""
        asked = event.question
        self._main.query_one(Composer).focus()
        await quietly(
            self,
            {
                "do": "answer",
                "id": asked["task_id"],
                "answer": event.words,
                "question_id": asked["question_id"],
            },
        )

    def on_card_view_moved(self, event: CardView.Moved) -> None:
        """Go on to another card, or to where the person writes."""
        if event.by == 0 or (not self.query_one(ThreadView).step(event.view, event.by) and event.by > 0):
            self.query_one(Composer).focus()

    def on_composer_left(self, _: Composer.Left) -> None:
        """Go up to the newest task."""
        if (view := self.query_one(ThreadView).newest()) is not None:
            view.focus()

    async def action_quit(self) -> None:
        """Stop watching; tasks go on. First whoever would otherwise take the home over, then who owns it."""
        watching: list[Worker[Any]] = []
        for worker in list(self.workers):
            if worker.group == "watch":
                watching.append(worker)
            else:
                worker.cancel()
        for worker in watching:
            worker.cancel()
            with contextlib.suppress(WorkerError):  # that it was cancelled is what was wanted
                await worker.wait()
        self.exit()
