"""What the doctor says of a browser and a desktop that are missing: with the reasons that a task would end with."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.doctor.chain import State
from dispatch_host.agents import NotDoneReason
from dispatch_host.browser.chamber import NoBrowser
from dispatch_host.browser.session import Browser
from dispatch_host.doctor_looks import look_at_browser, look_at_desktop
from dispatch_host.sandbox.probe import Found

from tests.support.desktop_end import RecordedDesktop


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (NoBrowser("Chromium is not installed.", "Install it."), Reason.REASON_TOOL_UNAVAILABLE),
        (
            NoBrowser("Chromium is not installed.", "Install it.", reason=NotDoneReason.SANDBOX_UNAVAILABLE),
            Reason.REASON_SANDBOX_UNAVAILABLE,
        ),
    ],
)
async def test_a_browser_is_missed_for_the_reason_that_it_is_missing(
    missing: NoBrowser, reason: Reason.ValueType
) -> None:
    async def probe() -> None:
        raise missing

    finding = await look_at_browser(probe)

    assert (finding.state, finding.reason) == (State.BROKEN, reason)
    assert (finding.text, finding.advice) == ("no web page can be opened: Chromium is not installed.", "Install it.")


async def test_a_browser_that_lacks_its_sandbox_is_broken_for_want_of_that(tmp_path: Path) -> None:
    async def sandbox() -> Found:
        return Found(None, "bubblewrap is not installed.", "Install the package bubblewrap.")

    browser = Browser(sandbox, home=tmp_path)
    if not browser.is_installed:
        pytest.skip("no browser on this machine: that is said first")

    finding = await look_at_browser(browser.probe)

    assert (finding.state, finding.reason) == (State.BROKEN, Reason.REASON_SANDBOX_UNAVAILABLE)
    assert finding.advice == "Install the package bubblewrap."


async def test_a_desktop_that_is_not_there_is_a_missing_tool() -> None:
    finding = await look_at_desktop(RecordedDesktop(is_there=False))

    assert (finding.state, finding.reason) == (State.BROKEN, Reason.REASON_TOOL_UNAVAILABLE)
    assert finding.advice == "Start one."
