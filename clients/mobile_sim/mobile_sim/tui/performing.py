"""Has something done at the desk for a window, says on its lines what happens, and asks the person what the desk asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mobile_sim.saying.said import How, Said
from mobile_sim.saying.sayer import Sayer
from mobile_sim.tui.lines import Lines
from mobile_sim.tui.prompt import Confirm

if TYPE_CHECKING:
    from mobile_sim.tui.phone_app import PhoneApp

Event = dict[str, Any]
Request = dict[str, Any]

_NARROWEST = 40
_SHOWN_OF_A_SEND = ("transfer", "warning", "routed")
"""The rest is on the task's card."""


async def performed(
    phone: PhoneApp, request: Request, lines: Lines, heard: Callable[[Event], None] | None = None
) -> bool:
    """Have something done, say on the lines what happens, and ask the person what it asks."""
    sayer = Sayer(width=lambda: max(lines.size.width, _NARROWEST), answerable=True, words=phone.words)
    asked: list[Said] = []

    def say(event: Event) -> None:
        event.pop("_state", None)
        if heard is not None:
            heard(event)
            return
        for said in sayer.say(event):
            if said.how is How.ASKED or said.strong:
                asked.append(said)
            if said.how is not How.ASKED and lines.is_attached:
                lines.say([said])

    async def hear() -> bool:
        question, asked[:] = list(asked), []
        return await phone.push_screen_wait(Confirm(question, phone.words))

    refused = await phone.desk.do(request, say, hear)
    if lines.is_attached:
        lines.say(refused)
    return not refused


async def followed(phone: PhoneApp, request: Request) -> bool:
    """Have a task sent; tells whether the phone has it now. What becomes of it is on its card. In a worker only."""
    lines = phone.news
    sayer = Sayer(width=lambda: max(lines.size.width, _NARROWEST), answerable=True, words=phone.words)
    nowhere: list[Said] = []

    def heard(event: Event) -> None:
        event.pop("_state", None)
        if event["event"] in _SHOWN_OF_A_SEND:
            lines.say(sayer.say(event))
        elif "state" in event and not phone.conversation.knows(event["task_id"]):
            nowhere.extend(sayer.say(event))

    refused = await phone.desk.do(request, heard)
    lines.settle()
    lines.say([*nowhere, *refused])
    return not refused and not nowhere


async def quietly(phone: PhoneApp, request: Request) -> None:
    """Have something done of which the task's card says what came of it; only a refusal is said. In a worker only."""
    phone.news.forget()
    await performed(phone, request, phone.news, _on_its_card)


def _on_its_card(_: Event) -> None:
    """Show nothing: it is shown where it happens."""
