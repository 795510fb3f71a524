"""One task with an external agent, in the real sandbox: what a person sees, is asked, and gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_host.agents import NotDone, NotDoneReason, Result, Step, Text
from dispatch_host.permissions.permission import NETWORK, TERMINAL, Kind, Permission

from tests.support.acp_desk import DENIED, ONCE, Desk, scripted


async def test_it_answers_and_is_shown_live(desk: Desk) -> None:
    end = await desk.asks("how are you?")

    assert end == Result("You said: how are you?")
    assert Text("You said: how are you?") in desk.events
    assert (TERMINAL, desk.preset.command[0]) in desk.gate.used
    assert (Permission(Kind.FOLDER, str(desk.code), write=True), "given to Scripty") in desk.gate.used


async def test_the_last_that_it_says_is_the_result_and_the_rest_are_steps(desk: Desk) -> None:
    end = await desk.plays(
        {"say": "I look around first."},
        {"plan": {"look": "completed", "write": "pending"}},
        {"call": {"toolCallId": "a", "title": "Read notes", "kind": "read", "locations": [{"path": "/x/notes"}]}},
        {"fail": "a"},
        {"say": "It is not there."},
    )

    assert end == Result("It is not there.")
    assert desk.steps == ["Plan", "I look around first.", "Read notes", "Failed: Read notes"]
    assert Step("Plan", "- look\n- write") in desk.events
    assert Step("Read notes", "/x/notes") in desk.events


async def test_it_works_where_it_may_change_things(desk: Desk) -> None:
    assert await desk.tells({"where": None}, {"own_write": str(desk.code / "new")}) == [
        str(desk.code),
        {"written": 4},
    ]


@pytest.mark.big
@pytest.mark.parametrize(
    ("stop", "reason", "words"),
    [
        ("max_tokens", NotDoneReason.AGENT_FAILED, "tokens"),
        ("max_turn_requests", NotDoneReason.AGENT_FAILED, "requests"),
        ("refusal", NotDoneReason.AGENT_FAILED, "refused"),
        ("cancelled", NotDoneReason.AGENT_FAILED, "broke off"),
    ],
)
async def test_a_turn_that_does_not_end_well_says_how(desk: Desk, stop: str, reason: NotDoneReason, words: str) -> None:
    end = await desk.plays({"say": "half of it"}, {"stop": stop})

    assert isinstance(end, NotDone)
    assert end.reason is reason
    assert words in end.text
    assert "half of it" in end.text


async def test_without_the_network_it_says_so_and_is_not_started(desk: Desk) -> None:
    desk.preset = scripted("--hang", network=True)

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.NOT_PERMITTED
    assert "dispatch-host permissions allow network" in end.text
    assert (NETWORK, desk.preset.command[0]) in desk.gate.used  # refused, and in the audit log


async def test_without_a_terminal_it_is_not_started_either(desk: Desk) -> None:
    desk.permissions = []

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.NOT_PERMITTED
    assert "dispatch-host permissions allow terminal" in end.text


async def test_one_that_is_not_installed_says_so(desk: Desk) -> None:
    desk.preset = scripted(log_in="nothing")
    desk.preset = type(desk.preset)(name="none", title="None such", command=("no-such-agent",))

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_UNAVAILABLE
    assert "no-such-agent" in end.text


@pytest.mark.big
async def test_a_login_that_is_missing_is_told_with_what_to_do(desk: Desk) -> None:
    desk.preset = scripted("--login", log_in="scripty login", variables=("SCRIPTY_KEY",))

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_UNAVAILABLE
    for words in ("needs a login", "Log in with a browser", "scripty login", "SCRIPTY_KEY"):
        assert words in end.text


@pytest.mark.big  # several tasks
async def test_the_session_of_the_thread_is_loaded_and_its_past_is_not_told_again(desk: Desk) -> None:
    kept = desk.home / ".scripty"
    kept.mkdir()
    desk.preset = scripted(sessions=kept)

    await desk.asks("one")
    end = await desk.asks("two")

    assert end.text == "You said: two with ['remembers 2']"
    assert not [event for event in desk.events if isinstance(event, Text) and "again" in event.delta]
    assert end.memory == {"acp": {"agent": "scripted", "session": "session-0", "folder": str(desk.code)}}


@pytest.mark.big  # several tasks
async def test_a_session_that_is_gone_is_a_new_one_that_is_told_the_thread(desk: Desk) -> None:
    kept = desk.home / ".scripty"
    kept.mkdir()
    desk.preset = scripted(sessions=kept)
    await desk.asks("one")
    (kept / "session-0").rename(kept / "elsewhere")

    end = await desk.asks("two")

    assert "The person said: one" in end.text
    assert "The answer (done): You said: one" in end.text
    assert end.text.endswith("Now the person says:\n\ntwo with ['remembers 1']")


@pytest.mark.big  # several tasks
async def test_one_that_remembers_nothing_is_told_the_thread(desk: Desk) -> None:
    await desk.asks("one")
    end = await desk.asks("two")

    assert "The person said: one" in end.text
    assert end.memory == {}


@pytest.mark.big
async def test_its_variables_and_secrets_reach_it_and_no_others(desk: Desk) -> None:
    (desk.home / "key").touch(0o600)
    (desk.home / "key").write_text("a secret\nmore\n")
    desk.environment |= {"SCRIPTY_REGION": "north", "OTHER_KEY": "not for it"}
    desk.preset = scripted(variables=("SCRIPTY_REGION", "UNSET"), secrets={"SCRIPTY_KEY": "~/key"})

    assert await desk.tells(*({"variable": name} for name in ("SCRIPTY_REGION", "SCRIPTY_KEY", "OTHER_KEY"))) == [
        {"SCRIPTY_REGION": "north"},
        {"SCRIPTY_KEY": "a secret"},
        {"OTHER_KEY": None},
    ]


@pytest.mark.big  # several tasks
async def test_without_a_sandbox_it_runs_only_for_an_owner_who_accepted_that(desk: Desk, tmp_path: Path) -> None:
    from dispatch_host.agents.terminal import Terminal
    from dispatch_host.sandbox.probe import Found
    from dispatch_host.sandbox.unconfined import Unconfined

    async def nothing() -> Found:
        return Found(None, "bubblewrap is not installed.", "Install it.")

    desk.terminal = Terminal(nothing, unconfined=Unconfined(home=desk.home))

    refused = await desk.asks("hello")
    assert isinstance(refused, NotDone)
    assert refused.reason is NotDoneReason.SANDBOX_UNAVAILABLE
    assert "--without-sandbox" in refused.text

    desk.without_sandbox = True
    desk.history = []
    assert await desk.asks("hello") == Result("You said: hello")


@pytest.mark.big
async def test_what_it_asks_is_put_to_the_person_and_the_answer_is_one_of_its_options(desk: Desk) -> None:
    call = {"kind": "execute", "title": "rm -r build", "rawInput": {"command": "rm -r build"}}

    told = await desk.tells({"ask": call}, {"ask": call}, {"ask": call}, replies=[ONCE, DENIED])

    assert told[0] == {"outcome": {"outcome": "selected", "optionId": "allow_once"}}
    assert told[1] == {"outcome": {"outcome": "selected", "optionId": "reject_once"}}
    assert told[2]["outcome"] == {"outcome": "cancelled"}
    assert told[2]["_meta"] == {"dispatch": {"reason": "NOBODY_ANSWERED"}}
    assert [question.text for question in desk.asked] == ["May Scripty run a program?"] * 3
    assert len({question.digest for question in desk.asked if hasattr(question, "digest")}) == 1


@pytest.mark.big  # several tasks
async def test_a_task_that_ends_for_silence_is_timed_out_and_one_for_a_no_is_denied(desk: Desk) -> None:
    silent = await desk.plays({"ask": {"title": "x"}}, {"stop": "cancelled"})
    assert isinstance(silent, NotDone)
    assert silent.reason is NotDoneReason.NOBODY_ANSWERED

    denied = await desk.plays({"ask": {"title": "x"}}, {"stop": "cancelled"}, replies=[DENIED])
    assert isinstance(denied, NotDone)
    assert denied.reason is NotDoneReason.PERSON_DENIED
