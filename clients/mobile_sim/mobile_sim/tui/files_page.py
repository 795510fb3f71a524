"""The files of the thread: what went to the computer, and what can be fetched from it."""

from __future__ import annotations

from typing import ClassVar

from dispatch.plain import one_line, plain
from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import OptionList

from mobile_sim.files_cli import absolute
from mobile_sim.saying.phrases import day, file_state, size
from mobile_sim.saying.said import Said
from mobile_sim.tui.page import Event, ListPage
from mobile_sim.tui.path import typed_path


class FilesPage(ListPage):
    """The list of them. Enter fetches one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "load", "look_again")]
    NAME = "files"
    NOTHING = "no_files"

    def action_load(self) -> None:
        """Look again."""
        self.load()

    @work(exclusive=True, group="files")
    async def load(self) -> None:
        """Ask for what there is."""
        if (host := self.phone.host) is None:
            self.show_rows([], self._line)
            return
        rows: list[Event] = []
        await self.perform({"do": "files", "host": host["pair_id"]}, rows.append)
        self.show_rows(rows, self._line)

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Fetch it."""
        if (row := self.marked) is not None and row["kind"] == "artifact":
            self._fetch(row)

    @work
    async def _fetch(self, row: Event) -> None:
        which = self.phone.words.window("fetch_into", name=one_line(row["name"], 60))
        into = await self.ask(which, value=self.phone.folder)
        host = self.phone.host
        if not into or host is None:
            return
        self.phone.folder = absolute(typed_path(into))
        request = {"do": "files_get", "what": row["file_id"], "into": self.phone.folder, "force": False}
        if await self.perform(request | {"host": host["pair_id"], "most_bytes": self.phone.most_bytes}):
            fetched = list(self.lines.said)
            rows: list[Event] = []
            await self.phone.desk.do({"do": "files", "host": host["pair_id"]}, rows.append)
            self.show_rows(rows, self._line)
            self.lines.forget()
            self.lines.say(fetched)

    def _line(self, row: Event) -> Said:
        way = "↓" if row["kind"] == "artifact" else "↑"
        where = f"  {plain(row['path'])}" if row["state"] == "fetched" and row["path"] else ""
        state = file_state(row, self.phone.words)
        words = f"{way} {one_line(row['name'], 40)}  {size(row['size'])}  {state}  {day(row['at'])}{where}"
        return Said(words, dim=row["kind"] != "artifact")
