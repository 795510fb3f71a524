"""A real window manager, real windows, real starts: what is open, what comes to the front, and whether what was opened came."""

from __future__ import annotations

import gc
from contextlib import AsyncExitStack

import pytest
from dispatch_host.desktop import opening
from dispatch_host.desktop.desktop import Application, NoDesktop
from dispatch_host.desktop.matching import applications_of, windows_of
from dispatch_host.desktop.x11 import X11

from tests.desktop.conftest import Session, opens
from tests.support.waiting import until_so


async def test_what_is_open_is_listed_with_its_titles_and_which_is_in_front(session: Session) -> None:
    assert await session.desktop.windows() == []
    async with AsyncExitStack() as stack:
        await opens(stack, session, "Alpha", "größe\u202e.txt")
        await opens(stack, session, "Beta")

        async def settled() -> bool:
            return [(one.app, one.is_active) for one in await session.desktop.windows()] == [
                ("Alpha", False),
                ("Beta", True),
            ]

        await until_so(settled)
        titles = [window.title for window in await session.desktop.windows()]

    assert titles[1] == "Untitled"
    assert "\u202e" not in titles[0]


async def test_a_window_comes_to_the_front(session: Session) -> None:
    async with AsyncExitStack() as stack:
        await opens(stack, session, "Alpha")
        await opens(stack, session, "Beta")

        async def beta_is_in_front() -> bool:
            return [one.app for one in await session.desktop.windows() if one.is_active] == ["Beta"]

        await until_so(beta_is_in_front)
        (alpha,) = windows_of("alpha", await session.desktop.windows())

        assert await opening.focused(session.desktop, alpha, seconds=60)

        assert [one.app for one in await session.desktop.windows() if one.is_active] == ["Alpha"]


async def test_a_window_that_is_gone_does_not_come(session: Session) -> None:
    async with AsyncExitStack() as stack:
        await opens(stack, session, "Alpha")
        (alpha,) = await session.desktop.windows()

    async def gone() -> bool:
        return not await session.desktop.windows()

    await until_so(gone)
    assert not await opening.focused(session.desktop, alpha, seconds=0.5)


@pytest.mark.usefixtures("ends_with_the_test")
async def test_an_application_of_the_menu_is_opened_and_its_window_seen(session: Session) -> None:
    session.puts_into_menu("Gamma", f"{session.program('Gamma')} {session.home}/untitled")
    (gamma,) = applications_of("gamma", await session.desktop.applications())

    window = await opening.opened(session.desktop, gamma, seconds=60)

    assert window is not None
    assert window.app == "Gamma"


@pytest.mark.usefixtures("ends_with_the_test")
async def test_an_application_that_shows_nothing_is_not_said_to_be_open(session: Session) -> None:
    session.puts_into_menu("Silent", "true")
    (silent,) = applications_of("silent", await session.desktop.applications())

    assert await opening.opened(session.desktop, silent, seconds=1) is None
    with pytest.raises(FileNotFoundError):
        await opening.opened(session.desktop, Application("Gone", ("not-on-this-computer",)))


@pytest.mark.usefixtures("ends_with_the_test")
async def test_a_document_is_opened_in_the_application_for_it(session: Session) -> None:
    session.puts_into_menu("Delta", f"{session.program('Delta')} %f", mime="text/plain")
    document = session.home / "my report.txt"
    document.write_text("words")

    window = await opening.shown(session.desktop, document, seconds=60)

    assert window is not None
    assert (window.app, window.title) == ("Delta", "my report.txt")


async def test_where_there_is_no_desktop_it_says_so_and_leaves_nothing_open() -> None:
    unreachable: list[dict[str, str]] = [{}, {"DISPLAY": ":7391"}, {"DISPLAY": "nonsense"}]
    for environment in unreachable:
        with pytest.raises(NoDesktop):
            await X11(environment).windows()
    gc.collect()  # an open socket would be told of here, and warnings are errors
