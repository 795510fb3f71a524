"""The host's page over HTTP, in front of a host that works. docs/host-page.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.thread.v1.thread_pb2 import APPROVAL_ONCE
from dispatch.words import ENGLISH, Language, Words
from dispatch_host.agents import Artifact, Result

from tests.support.host_bench import Bench
from tests.support.host_page import ServedPage, served
from tests.support.questions import approval, asked, choice
from tests.support.silent import silent
from tests.support.waiting import until, until_so


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        await bench.ready()
        yield bench


@pytest.fixture
async def page(bench: Bench) -> AsyncIterator[ServedPage]:
    """Give its page."""
    async with served(bench.control) as page:
        yield page


@asynccontextmanager
async def opened(page: ServedPage, path: str) -> AsyncIterator[dict[str, Any]]:
    """Open what goes to the page by itself, and give what it says first; it is left when the body is over."""
    headers = {"Origin": page.origin, "Authorization": f"Bearer {page.address.partition('#')[2]}"}
    async with page.http.stream("POST", path, json={}, headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
                return
    raise AssertionError("the stream ended")


async def shown(page: ServedPage) -> dict[str, Any]:
    """Give what the page is told first."""
    async with opened(page, "/live") as told:
        return told


async def test_a_page_is_told_who_is_connected_and_what_is_permitted(bench: Bench, page: ServedPage) -> None:
    told = await shown(page)

    assert told["running"]
    assert [(one["title"], one["connected"]) for one in told["phones"]] == [("Connected to pocket", True)]
    assert told["task"] is None
    assert told["awake"]["about"].endswith(".")


async def test_a_question_is_answered_there(bench: Bench, page: ServedPage) -> None:
    task_id, _ = await asked(bench, choice())
    (question,) = (await shown(page))["questions"]
    assert [one["say"] for one in question["answers"]] == ["north", "south"]

    answer = await page.do("answer", task_id=question["task_id"], question_id=question["question_id"], say="south")

    assert answer.status_code == 200
    assert (await bench.phone.sees(task_id, "answered")).answered.text == "south"
    again = await page.do("answer", task_id=question["task_id"], question_id=question["question_id"], say="south")
    assert (again.status_code, again.json()["reason"]) == (409, "QUESTION_CLOSED")


async def test_an_answer_to_the_question_before_does_not_answer_the_one_that_came_meanwhile(
    bench: Bench, page: ServedPage
) -> None:
    await asked(bench, choice())
    (question,) = (await shown(page))["questions"]

    answer = await page.do("answer", task_id=question["task_id"], question_id="00" * 16, say="south")

    assert answer.json()["reason"] == "QUESTION_CLOSED"
    assert len((await shown(page))["questions"]) == 1


async def test_an_approval_is_shown_whole_with_what_it_would_hold_for(bench: Bench, page: ServedPage) -> None:
    assert (await page.do("allow", permission="terminal")).status_code == 200
    await asked(bench, approval(preview="`rm -rf x`\n\u202egnirts"))

    (question,) = (await shown(page))["questions"]

    assert [one["label"] for one in question["answers"]] == ["Allow once", "For this task", "Always", "No"]
    assert question["rule"] == "This task and Always hold for: run pytest in /code/x"
    assert "\u202e" not in question["detail"]


async def test_a_permission_is_given_and_taken_back_in_force_at_once(
    bench: Bench, page: ServedPage, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    given = await page.do("folder", path=str(folder), write=True)
    assert given.json()["warnings"] == ["It holds the host's own home."]

    (told,) = [one for one in (await shown(page))["permissions"] if one["permission"] == "folder"]
    assert told["text"] == f"read and change {folder}"
    assert (await page.do("revoke", permission="folder", name=told["name"])).status_code == 200

    assert [one for one in (await shown(page))["permissions"] if one["permission"] == "folder"] == []


@pytest.mark.parametrize(
    "told",
    [
        {"do": "nothing"},
        {"do": ["answer"]},
        {"do": "folder", "path": "papers"},
        {"do": "folder", "path": "/a\0b"},
        {"do": "folder", "path": 7},
        {"do": "allow", "permission": "everything"},
        {"do": "awake", "mode": "maybe"},
        {"do": "cancel", "task_id": "x"},
        {"do": "answer", "task_id": "x"},
        [],
        "text",
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_to_do(page: ServedPage, told: Any) -> None:
    answer = await page.post("/do", told)

    assert answer.status_code == 409
    assert answer.json()["sentence"].endswith(".")
    assert answer.json()["advice"].endswith(".")


async def test_keep_awake_is_chosen_and_the_truth_is_told(page: ServedPage) -> None:
    assert (await page.do("awake", mode="off")).status_code == 200

    awake = (await shown(page))["awake"]

    assert (awake["mode"], awake["held"]) == ("off", False)
    assert awake["about"].startswith("Nothing keeps the computer awake: that is switched off there.")


async def test_the_thread_and_its_end_are_there_and_a_task_in_the_history(bench: Bench, page: ServedPage) -> None:
    sent = await bench.phone.sends("say it")
    bench.agent.says("say it", Result("Said."))
    await bench.phone.sees(sent.task_id, "ended")
    (phone,) = (await shown(page))["phones"]

    told = (await page.post("/thread", {"phone": phone["pair_id"]})).json()

    assert [one["text"] for one in told["events"] if one["kind"] == "asked"] == ["say it"]
    assert [one["text"] for one in told["events"] if one["kind"] == "text"] == ["Said."]
    (past,) = (await shown(page))["history"]
    assert (past["text"], past["state"], past["good"]) == ("say it", "done", True)


async def test_the_files_of_a_thread_are_listed_newest_first(bench: Bench, page: ServedPage, tmp_path: Path) -> None:
    (made := tmp_path / "made").mkdir()
    (made / "first.csv").write_text("place\n")
    (made / "second\u202e.csv").write_text("place\nnorth\n")
    await page.do("folder", path=str(made), write=False)
    sent = await bench.phone.sends("make them")
    made_files = [Artifact(made / "first.csv"), Artifact(made / "second\u202e.csv")]
    bench.agent.says("make them", *made_files, Result("Made."))
    await bench.phone.sees_end(sent.task_id)
    (phone,) = (await shown(page))["phones"]

    told = (await page.post("/thread", {"phone": phone["pair_id"]})).json()

    assert [(one["size"], one["how"]) for one in told["files"]] == [(12, "was made here"), (6, "was made here")]
    second, first = (one["name"] for one in told["files"])
    assert first == "first.csv"
    assert second.startswith("second")
    assert "\u202e" not in second
    assert f"↓ {first}" in [one["text"] for one in told["events"]]


async def test_the_history_says_how_each_task_ended_and_why_the_newest_first(bench: Bench, page: ServedPage) -> None:
    done, stopped = await bench.phone.sends("do it"), await bench.phone.sends("begin it")
    bench.agent.says("do it", Result("Done."))
    await bench.phone.sees_end(done.task_id)
    await bench.phone.sees(stopped.task_id, "started")
    await bench.phone.posts(bench.phone.cancel(stopped.task_id))
    await bench.phone.sees_end(stopped.task_id)

    past = (await shown(page))["history"]

    assert [(one["text"], one["state"], one["good"], one["why"]) for one in past] == [
        ("begin it", "cancelled", False, ENGLISH.reasons["CANCELLED_BY_PERSON"].sentence),
        ("do it", "done", True, ""),
    ]
    assert [one["who"] for one in past] == ["for pocket"] * 2


async def test_the_thread_says_who_answered_and_in_whose_words(bench: Bench) -> None:
    async with served(bench.control, language=Language.GERMAN) as page:
        await page.do("allow", permission="terminal")
        task_id, question = await asked(bench, approval())
        await bench.phone.posts(bench.phone.answer(task_id, question.question_id, approval=APPROVAL_ONCE))
        await bench.phone.sees(task_id, "answered")
        (phone,) = (await shown(page))["phones"]

        told = (await page.post("/thread", {"phone": phone["pair_id"]})).json()

    assert "» beantwortet: Einmal erlauben, von pocket" in [one["text"] for one in told["events"]]


async def test_a_running_task_is_cancelled_there(bench: Bench, page: ServedPage) -> None:
    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    current = (await shown(page))["task"]

    assert (await page.do("cancel", task_id=current["task_id"])).status_code == 200

    await bench.phone.sees(sent.task_id, "ended")


async def test_a_host_that_does_not_run_is_said_and_the_page_goes_on(bench: Bench, page: ServedPage) -> None:
    await bench.stops()
    assert await shown(page) == {
        "running": False,
        "about": Words.of(Language.ENGLISH).page["not_running"],
    }
    assert (await page.do("allow", permission="terminal")).json()["reason"] == "NOT_RUNNING"

    await bench.runs()

    async def is_back() -> bool:
        return bool((await shown(page))["running"])

    await until_so(is_back)


async def test_the_page_speaks_the_language_of_the_command(bench: Bench) -> None:
    async with served(bench.control, language=Language.GERMAN) as page:
        told = await shown(page)
        words = (await page.http.get("/words.json")).json()
        refused = (await page.do("nothing")).json()

    assert told["phones"][0]["title"] == "Verbunden mit pocket"
    assert (words["language"], words["words"]["history"]) == ("de", "Frühere Aufgaben")
    assert refused["advice"] == "Prüfe deine Eingabe."


class Inviting:
    """A front desk that pairs: it shows a code, and hears what the person says until nobody listens."""

    def __init__(self) -> None:
        self.codes = 0
        self.left = 0

    async def pair(self, _start: pb.PairStart, answers: asyncio.Queue[bool]) -> AsyncGenerator[pb.PairResponse, None]:
        self.codes += 1
        try:
            yield pb.PairResponse(qr=pb.PairQr(link="https://pair.example/#x"))
            await answers.get()
            yield pb.PairResponse(ended=pb.PairEnded(peer="tablet"))
        finally:
            self.left += 1


async def test_one_pairing_goes_on_at_a_time_and_closing_its_page_ends_it() -> None:
    inviting = Inviting()
    desk: Any = lambda: nullcontext(inviting)  # noqa: E731 -- the seam is one call
    async with served(desk) as page:
        async with opened(page, "/pair") as first:
            assert first["link"] == "https://pair.example/#x"

            async with opened(page, "/pair") as second:
                assert second["sentence"].startswith("A phone is being paired on another page")
                assert second["reason"] == "BAD_REQUEST"
            assert (inviting.codes, inviting.left) == (1, 0)

        await until(lambda: inviting.left == 1)
        async with opened(page, "/pair") as again:
            assert again["link"] == first["link"]


async def test_without_the_token_nothing_of_the_host_is_told(page: ServedPage) -> None:
    for path in ("/live", "/pair", "/thread", "/do"):
        answer = await page.post(path, {}, Authorization="Bearer x")
        assert (answer.status_code, answer.text) == (403, "token")
    for path in ("/", "/page.js", "/page.css", "/words.json"):
        answer = await page.http.get(path)
        assert answer.status_code == 200
        assert "pocket" not in answer.text


async def test_each_start_has_an_address_that_nobody_knew_before(bench: Bench, page: ServedPage) -> None:
    async with served(bench.control) as another:
        assert another.origin != page.origin
        assert another.address.partition("#")[2] != page.address.partition("#")[2]


async def test_a_name_of_a_strangers_that_leads_here_shows_nothing(page: ServedPage) -> None:
    answer = await page.http.get("/", headers={"Host": "evil.example"})

    assert (answer.status_code, answer.text) == (421, "host")


async def test_every_answer_says_what_a_browser_may_do_with_it(page: ServedPage) -> None:
    for answer in (await page.http.get("/"), await page.http.get("/nothing"), await page.do("nothing")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


async def test_a_request_that_is_too_large_is_turned_away(page: ServedPage) -> None:
    answer = await page.post("/do", {"do": "x" * 70_000})

    assert (answer.status_code, answer.text) == (413, "too_large")


async def test_connections_of_another_user_that_ask_for_nothing_do_not_shut_the_owner_out(
    bench: Bench, page: ServedPage
) -> None:
    """Everybody on the computer can connect; without the token they can do nothing else."""
    await asked(bench, choice())
    async with silent(page.origin.removeprefix("http://"), 40):
        (question,) = (await shown(page))["questions"]
        assert (await page.do("cancel", task_id=question["task_id"])).status_code == 200
