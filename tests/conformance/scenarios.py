"""What every phone has to do, as stories, in the order in which they are played: each begins where the one before left off.

docs/conformance.md has the list for people. A scenario fails by AssertionError, TimeoutError or ClientEnded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.conformance.meddler import Alter, Move, Reorder, Replay
from tests.conformance.stage import NAME, Stage
from tests.support.processes import run

Scenario = Callable[[Stage], Awaitable[None]]


async def a_wrong_password_is_refused(stage: Stage) -> None:
    """The reason is the service's."""
    refused = await stage.client.wish(
        "sign_in", address=stage.address, account="ada", password="not the password", name=NAME
    )
    assert refused.get("refused") == "SIGN_IN_FAILED", refused
    signed_in = await stage.sign_in()
    assert "refused" not in signed_in, signed_in


async def what_is_no_pairing_code_is_refused(stage: Stage) -> None:
    """A text that somebody pastes, and a code that lost its end."""
    for text in ("https://example.org/", "dispatch:pair#AQEB"):
        refused = await stage.client.wish("pair", link=text)
        assert refused.get("refused") == "NOT_A_PAIRING_CODE", refused


async def a_person_who_sees_another_code_says_no(stage: Stage) -> None:
    """Then there is no pair, on either side."""
    host, link = await stage.offer()
    seen = len(stage.client.lines)
    pairing = stage.client.begin("pair", link=link)
    await stage.client.line(lambda line: line.get("event") == "code", after=seen)
    await host.event("code")

    await stage.client.wish("no")

    refused = await pairing
    assert refused.get("refused") == "PAIRING_REFUSED", refused
    assert (await host.event("not_paired"))["reason"] == "PAIRING_REFUSED"
    await host.stop()


async def two_who_see_the_same_code_are_a_pair(stage: Stage) -> None:
    """The ceremony, and both people saying yes."""
    host, link = await stage.offer()
    seen = len(stage.client.lines)
    pairing = stage.client.begin("pair", link=link)
    shown = await stage.client.line(lambda line: line.get("event") == "code", after=seen)
    on_host = await host.event("code")
    assert (shown["code"], shown["peer"]) == (on_host["code"], "desk")
    await host.say("yes")

    await stage.client.wish("yes")

    paired = await pairing
    assert "refused" not in paired, paired
    assert await host.ended() == 0


async def a_task_is_sent_and_its_result_read(stage: Stage) -> None:
    """Through session, seal, verdict and thread."""
    await stage.run_host()
    await stage.client.wish("attach")
    await stage.whole()

    sent = await stage.send()

    assert sent["verdict"] == "taken", sent
    done = await stage.done(sent["task"])
    assert done["text"].index("large.bin") < done["text"].index("small.bin")


async def _one_more_done(stage: Stage) -> None:
    """Send a task and see that it is in the thread once, begun and ended once."""
    before = [await stage.count(event) for event in ("accepted", "ended")]
    sent = await stage.send()
    assert sent["verdict"] == "taken", sent
    done = await stage.done(sent["task"])
    assert "large.bin" in done["text"]
    assert done["text"].count("large.bin") == 1, "part of the result stands there twice"
    assert [await stage.count(event) for event in ("accepted", "ended")] == [count + 1 for count in before]


async def rows_that_are_repeated_change_nothing(stage: Stage) -> None:
    """A relay that says every row and live message twice."""
    stage.meddler.trick = trick = Replay()
    try:
        await _one_more_done(stage)
    finally:
        stage.meddler.trick = None
    assert trick.times > 0


async def rows_in_another_order_are_put_right(stage: Stage) -> None:
    """A relay that lets one row overtake another: what was missed is asked for again."""
    stage.meddler.trick = trick = Reorder()
    try:
        await _one_more_done(stage)
    finally:
        stage.meddler.trick = None
    assert trick.times == 1


async def a_row_that_was_changed_is_not_believed_and_comes_again(stage: Stage) -> None:
    """A relay that changes one byte: a hole, and what it held is asked for again."""
    stage.meddler.trick = trick = Alter()
    try:
        await _one_more_done(stage)
    finally:
        stage.meddler.trick = None
    assert trick.times == 1


async def a_row_at_anothers_place_is_not_believed(stage: Stage) -> None:
    """A relay that says an earlier row in place of a later one."""
    stage.meddler.trick = trick = Move()
    try:
        await _one_more_done(stage)
    finally:
        stage.meddler.trick = None
    assert trick.times == 1


async def a_line_that_is_cut_while_a_task_runs_goes_on(stage: Stage) -> None:
    """The task ends meanwhile or afterwards; nothing is lost and nothing twice."""
    ended = await stage.count("ended")
    stage.world.hold_again()
    sent = await stage.send()
    assert sent["verdict"] == "taken", sent
    await stage.state(sent["task"], "running")
    seen = len(stage.client.lines)

    await stage.client.wish("cut")
    stage.world.let_go()

    await stage.done(sent["task"])
    await stage.whole(after=seen)
    assert await stage.count("ended") == ended + 1


async def a_host_that_is_away_is_named_with_its_cause(stage: Stage) -> None:
    """The refusal is final for that attempt; the same task sent again runs once."""
    accepted = await stage.count("accepted")
    await stage.stop_host()

    refused = await stage.send()

    assert (refused["verdict"], refused["reason"]) == ("refused", "HOST_APP_CLOSED"), refused
    await stage.run_host()
    again = await stage.send(id=refused["task"])
    assert again["verdict"] == "taken", again
    assert again["attempt"] > refused["attempt"]
    await stage.done(refused["task"])
    assert await stage.count("accepted") == accepted + 1


async def a_device_that_was_revoked_is_told_so_and_stays_away(stage: Stage) -> None:
    """From the account, for good."""
    code, events = await run("dispatch-host", "revoke", NAME, "--yes", "--home", stage.world.home("desk"))
    assert code == 0, events

    gone = await stage.client.line(lambda line: line.get("event") == "gone")

    assert gone["reason"] == "DEVICE_REVOKED", gone


SCENARIOS: tuple[Scenario, ...] = (
    a_wrong_password_is_refused,
    what_is_no_pairing_code_is_refused,
    a_person_who_sees_another_code_says_no,
    two_who_see_the_same_code_are_a_pair,
    a_task_is_sent_and_its_result_read,
    rows_that_are_repeated_change_nothing,
    rows_in_another_order_are_put_right,
    a_row_that_was_changed_is_not_believed_and_comes_again,
    a_row_at_anothers_place_is_not_believed,
    a_line_that_is_cut_while_a_task_runs_goes_on,
    a_host_that_is_away_is_named_with_its_cause,
    a_device_that_was_revoked_is_told_so_and_stays_away,
)
