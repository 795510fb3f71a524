"""The host's page as the owner of the computer has it: in Chromium, on a small screen and a large one, light and dark.

Whatever the browser complains of (an error, a violation of the content policy) fails the test, and so does what breaks a rule of
axe, is cut off, or lies over something else.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.api.thread.v1.thread_pb2 import APPROVAL_ONCE, AWAKE_MODE_OFF, AWAKE_MODE_ON
from dispatch.words import Language
from dispatch_host.agents import Artifact, Result, Step
from playwright.async_api import Browser, Page, Route, expect

from tests.support.axe import violations
from tests.support.host_bench import Bench
from tests.support.host_page import ServedPage, served
from tests.support.processes import Process, run
from tests.support.questions import approval, asked, choice
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.support.world import World

WIDTHS = (320, 390, 768, 1280)

# Gives what sticks out to the side, and which buttons and fields lie over each other.
MISPLACED = """() => {
  const faults = [];
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`too wide: ${document.documentElement.scrollWidth}`);
  const shown = [...document.querySelectorAll("button, input, summary, h1, h2, h3, p, li")].filter((one) => one.checkVisibility());
  const boxes = shown.map((one) => [one, one.getBoundingClientRect()]);
  for (const [one, box] of boxes)
    if (box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5)) faults.push(`cut off: ${one.textContent}`);
  const touched = boxes.filter(([one]) => ["BUTTON", "INPUT", "SUMMARY"].includes(one.tagName));
  for (const [i, [one, a]] of touched.entries())
    for (const [other, b] of touched.slice(i + 1))
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
        faults.push(`over each other: ${one.textContent} and ${other.textContent}`);
  return faults;
}"""

# Notes what the thread shows from here on.
NOTES_THREAD = """() => {
  window.drawnByTest = [];
  const thread = document.getElementById("thread");
  new MutationObserver(() => window.drawnByTest.push(thread.textContent)).observe(thread, { childList: true, subtree: true });
}"""


@dataclass(slots=True)
class Owner:
    """Somebody at the browser of their computer."""

    page: Page
    pictures: Path
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda failure: self.complaints.append(str(failure)))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "the server responded with a status of 409" not in text:
            self.complaints.append(text)

    async def look(self, name: str, *, widths: Sequence[int] = (320, 1280)) -> None:
        """Check what can be measured at each width, light and dark, and take pictures if anybody wants to look."""
        for width in widths:
            await self.page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                picture = self.pictures / f"{name}-{width}-{scheme}.png"
                if self.pictures.is_dir():
                    await self.page.screenshot(path=picture, full_page=True)
                assert await self.page.evaluate(MISPLACED) == [], picture
                assert await violations(self.page) == [], picture

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def reads(self, text: str) -> None:
        await expect(self.page.get_by_role("main")).to_contain_text(text)


@asynccontextmanager
async def owner(chromium: Browser, address: str, pictures: Path) -> AsyncIterator[Owner]:
    """Open the page; at its end nothing was complained of, and nothing was asked of anybody else or with the token in it."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(DEADLINE_SECONDS * 1_000)
    person = Owner(await context.new_page(), pictures)
    person.listen()
    await person.page.goto(address)
    yield person
    origin, _, token = address.partition("/#")
    assert person.complaints == []
    assert [url for url in person.requested if not url.startswith(origin)] == []
    assert not token or [url for url in person.requested if token in url.partition("#")[0]] == []
    await context.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        await bench.ready()
        yield bench


@pytest.fixture
async def page(bench: Bench) -> AsyncIterator[ServedPage]:
    async with served(bench.control) as page:
        yield page


async def test_what_breaks_a_rule_is_found(chromium: Browser) -> None:
    page = await chromium.new_page()
    await page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src=x><input></main>")

    assert [found.partition(":")[0] for found in await violations(page)] == ["image-alt", "label"]


async def test_the_page_shows_what_the_computer_does_and_is_laid_out_well(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path, tmp_path: Path
) -> None:
    papers = tmp_path / "a folder with quite a long name that people give to their folders"
    papers.mkdir()
    await page.do("folder", path=str(papers), write=True)
    await page.do("allow", permission="terminal")
    sent = await bench.phone.sends("How many files are in my papers?")
    bench.agent.says(
        "How many files are in my papers?", Step("Looked into papers", ""), Result("There are 12.\n\n- a\n- b")
    )
    await bench.phone.sees(sent.task_id, "ended")
    await asked(
        bench, Step("Looked", ""), approval(), text="Run the tests of x, please, and tell me which of them fail"
    )
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("Connected to pocket")
        await person.reads("There are 12.")
        await person.reads("Run pytest?")
        await person.page.get_by_text("Allow more").click()

        await person.look("works", widths=WIDTHS)


async def test_a_question_is_answered_with_the_keyboard_alone(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path
) -> None:
    task_id, _ = await asked(bench, choice())
    async with owner(chromium, page.address, pictures) as person:
        await expect(person.page.get_by_role("group", name="Which one?")).to_be_visible()
        for _ in range(12):
            await person.page.keyboard.press("Tab")
            if await person.page.evaluate("document.activeElement.textContent") == "south":
                break

        await person.page.keyboard.press("Enter")

        assert (await bench.phone.sees(task_id, "answered")).answered.text == "south"
        await expect(person.page.get_by_role("group", name="Which one?")).to_have_count(0)


async def test_an_answer_in_words_is_not_disturbed_by_what_happens_meanwhile(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path
) -> None:
    task_id, _ = await asked(bench, choice("Under which name?", ()))
    async with owner(chromium, page.address, pictures) as person:
        field = person.page.get_by_label("Answer")
        await field.fill("half of")
        await page.do("allow", permission="network")
        await person.reads("let programs use the network")
        await expect(field).to_have_value("half of")
        await expect(field).to_be_focused()

        await field.fill("half of it")
        await person.press("Send")

        assert (await bench.phone.sees(task_id, "answered")).answered.text == "half of it"


async def test_what_others_wrote_is_text_and_nothing_else(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path
) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    sent = await bench.phone.sends(hostile)
    bench.agent.says(hostile, Result(f"{hostile} [x](javascript:alert(3))"))
    await bench.phone.sees(sent.task_id, "ended")
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("<script>alert(2)</script>")

        assert await person.page.locator("main img, main script, main a").count() == 0


async def test_files_history_and_what_became_of_a_question_are_read_there_in_german(
    chromium: Browser, bench: Bench, pictures: Path, tmp_path: Path
) -> None:
    (made := tmp_path / "made").mkdir()
    (made / "places.csv").write_text("place\nnorth\n")
    async with served(bench.control, language=Language.GERMAN) as page:
        await page.do("folder", path=str(made), write=False)
        await page.do("allow", permission="terminal")
        sent = await bench.phone.sends("make it")
        bench.agent.says("make it", Artifact(made / "places.csv"), Result("Made."))
        await bench.phone.sees_end(sent.task_id)
        task_id, question = await asked(bench, approval())
        await bench.phone.posts(bench.phone.answer(task_id, question.question_id, approval=APPROVAL_ONCE))
        await bench.phone.sees(task_id, "answered")
        await bench.phone.posts(bench.phone.cancel(task_id))
        await bench.phone.sees_end(task_id)
        async with owner(chromium, page.address, pictures) as person:
            listed = person.page.locator("#files > li")
            past = person.page.locator("#history > li")
            thread = person.page.get_by_role("list", name="Verlauf")

            await expect(listed).to_have_count(1)
            await expect(listed).to_contain_text(["places.csv"])
            await expect(listed).to_contain_text(["entstand hier"])
            await expect(listed).to_contain_text(["12"])
            await expect(past).to_have_count(2)
            await expect(past.nth(0)).to_contain_text("abgebrochen")
            await expect(past.nth(1)).to_contain_text("make it")
            await expect(past.nth(1)).to_contain_text("erledigt")
            await expect(thread).to_contain_text("» beantwortet: Einmal erlauben, von pocket")
            await expect(thread).to_contain_text("✗ abgebrochen")
            await person.look("past-german", widths=WIDTHS)


async def test_an_answer_is_laid_out_and_stands_with_its_task(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path
) -> None:
    table = "| File | Size |\n|---|---|\n| `spending.csv` | **12 MB** |\n\n[More](https://x.example) <b>bold</b>"
    sent = await bench.phone.sends("which are largest?")
    later = await bench.phone.sends("and then tidy")
    bench.agent.says("which are largest?", Result(table))
    await bench.phone.sees_end(sent.task_id)
    await bench.phone.sees(later.task_id, "started")
    async with owner(chromium, page.address, pictures) as person:
        tasks = person.page.locator("#thread > li.task")
        asked_first = tasks.filter(has_text="which are largest?")

        await expect(asked_first.get_by_role("cell", name="spending.csv")).to_be_visible()
        await expect(asked_first.get_by_role("cell", name="12 MB")).to_be_visible()
        await expect(asked_first).to_contain_text("✓ done")
        await expect(asked_first).to_contain_text("<b>bold</b>")
        await expect(asked_first).not_to_contain_text("and then tidy")
        await expect(tasks.filter(has_text="and then tidy")).to_contain_text("▸")
        assert await person.page.locator("main a, main b").count() == 0
        await person.look("laid-out", widths=WIDTHS)


async def test_a_permission_is_given_and_taken_back_and_the_computer_kept_awake(
    chromium: Browser, page: ServedPage, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "papers").mkdir()
    async with owner(chromium, page.address, pictures) as person:
        await person.page.get_by_text("Allow more").click()
        await person.page.get_by_label("Folder", exact=True).fill("papers")
        await person.press("Approve the folder")
        await person.reads("Check what you entered.")
        await person.page.get_by_label("Folder", exact=True).fill(str(tmp_path / "papers"))
        await person.press("Approve the folder")
        await person.reads(f"read {tmp_path / 'papers'}")

        await person.press(f"Take back: read {tmp_path / 'papers'}")
        await person.reads("Nothing is permitted.")
        await person.press("Never")
        await person.reads("that is switched off there.")
        await expect(person.page.get_by_role("button", name="Never")).to_have_attribute("aria-pressed", "true")


async def test_each_phone_has_its_thread(chromium: Browser, bench: Bench, page: ServedPage, pictures: Path) -> None:
    sent = await bench.phone.sends("asked from the pocket")
    bench.agent.says("asked from the pocket", Result("Said."))
    await bench.phone.sees(sent.task_id, "ended")
    await bench.stops()
    await bench.pairs_with(Ed25519PrivateKey.generate(), bench.relay, phone_name="tablet")
    await bench.runs()
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("tablet")
        thread = person.page.get_by_role("list", name="Thread")
        await person.press("pocket")
        await expect(thread).to_contain_text("asked from the pocket")

        await person.press("tablet")

        await expect(thread).not_to_contain_text("asked from the pocket")
        await expect(person.page.get_by_role("button", name="tablet")).to_have_attribute("aria-pressed", "true")


async def test_a_thread_that_comes_late_is_not_shown_under_another_phones_name(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path
) -> None:
    sent = await bench.phone.sends("asked from the pocket")
    bench.agent.says("asked from the pocket", Result("Said."))
    await bench.phone.sees(sent.task_id, "ended")
    await bench.stops()
    await bench.pairs_with(Ed25519PrivateKey.generate(), bench.relay, phone_name="tablet")
    await bench.runs()
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("tablet")
        pocket = (await person.page.get_by_role("button", name="pocket").get_attribute("id") or "").partition("t-")[2]
        asked_for, may_come = asyncio.Event(), asyncio.Event()

        async def late(route: Route) -> None:
            if route.request.post_data_json == {"phone": pocket}:
                asked_for.set()
                await may_come.wait()
            await route.continue_()

        await person.press("tablet")
        await person.reads("Paired with tablet.")
        await person.page.evaluate(NOTES_THREAD)
        await person.page.route("**/thread", late)
        await person.press("pocket")
        await asked_for.wait()
        await person.press("tablet")
        await expect(person.page.get_by_role("button", name="tablet")).to_have_attribute("aria-pressed", "true")

        async with person.page.expect_event("requestfinished", lambda one: one.post_data_json == {"phone": pocket}):
            may_come.set()

        async with person.page.expect_event("requestfinished", lambda one: one.url.endswith("/thread")):
            await person.press("tablet")  # what was answered before is drawn before this
        await person.reads("Paired with tablet.")
        assert "asked from the pocket" not in await person.page.evaluate("window.drawnByTest.join()")


async def test_a_pairing_that_breaks_off_is_said(chromium: Browser, page: ServedPage, pictures: Path) -> None:
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("Connected to pocket")
        await person.page.route("**/pair", lambda route: route.fulfill(body="event: qr\ndata: {broken off\n\n"))

        await person.press("Show a code")

        await person.reads("The page's program does not answer")
        await expect(person.page.get_by_role("button", name="Show a code")).to_be_focused()


async def test_a_browser_that_copies_nothing_leaves_the_code_to_be_scanned(
    chromium: Browser, page: ServedPage, pictures: Path
) -> None:
    shown = 'event: qr\ndata: {"link": "dispatch:pair#AQ", "rows": ["10", "01"]}\n\n'
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("Connected to pocket")
        await person.page.evaluate(
            "() => { navigator.clipboard.writeText = async () => { throw new DOMException('no', 'NotAllowedError'); }; }"
        )
        await person.page.route("**/pair", lambda route: route.fulfill(body=shown))
        await person.press("Show a code")

        await person.press("Copy the link")

        await expect(person.page.get_by_role("img", name="Code for pairing")).to_be_visible()
        await expect(person.page.get_by_role("button", name="Copy the link")).to_be_visible()


async def test_the_token_leaves_the_address_bar_and_serves_a_reload(
    chromium: Browser, page: ServedPage, pictures: Path
) -> None:
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("Connected to pocket")
        assert "#" not in person.page.url

        await person.page.reload()

        await person.reads("Connected to pocket")


async def test_without_the_token_the_page_says_what_to_do_and_shows_nothing(
    chromium: Browser, page: ServedPage, pictures: Path
) -> None:
    async with owner(chromium, f"{page.origin}/", pictures) as person:
        await person.reads("This address is not complete.")

        await person.look("no-token")
        assert "pocket" not in await person.page.content()


async def test_a_host_that_stops_is_said_and_comes_back_by_itself(
    chromium: Browser, bench: Bench, page: ServedPage, pictures: Path
) -> None:
    async with owner(chromium, page.address, pictures) as person:
        await person.reads("Connected to pocket")
        await bench.stops()
        about = person.page.get_by_role("status").first
        await expect(about).to_have_text("Dispatch is not running. Start it: dispatch-host run.")
        await person.look("not-running")

        await bench.runs()

        await person.reads("Connected to pocket")


@pytest.fixture
async def program(bench: Bench) -> AsyncIterator[Process]:
    """Give the page's program as a process of its own, which can be held as Ctrl-Z holds it."""
    process = await Process.start("dispatch-host", "status", "--page", "--home", str(bench.home.path))
    yield process
    assert await process.stop() == 0


@asynccontextmanager
async def owner_in_a_hurry(chromium: Browser, program: Process, pictures: Path) -> AsyncIterator[Owner]:
    """Open the page of that program, with a clock that can be put forward."""
    address = (await program.event("page"))["url"]
    async with owner(chromium, address, pictures) as person:
        await person.page.clock.install()
        await person.page.reload()
        await person.reads("Connected to pocket")
        yield person


async def test_a_program_that_falls_silent_is_said_and_comes_back_by_itself(
    chromium: Browser, bench: Bench, program: Process, pictures: Path
) -> None:
    async with owner_in_a_hurry(chromium, program, pictures) as person:
        program.signal(signal.SIGSTOP)
        async with bench.control() as control:
            await control.set_keep_awake(AWAKE_MODE_OFF)

        await person.page.clock.fast_forward(41_000)
        await person.reads("The page's program does not answer, and what stands here may be old.")
        await person.page.clock.fast_forward(41_000)  # nor is it heard when it is dialled again
        program.signal(signal.SIGCONT)

        await person.reads("that is switched off there.")
        await expect(person.page.get_by_role("alert")).to_be_hidden()


async def test_a_program_that_is_heard_in_time_is_not_given_up(
    chromium: Browser, bench: Bench, program: Process, pictures: Path
) -> None:
    async with owner_in_a_hurry(chromium, program, pictures) as person, bench.control() as control:
        person.requested.clear()
        for mode, name in ((AWAKE_MODE_OFF, "Never"), (AWAKE_MODE_ON, "Always"), (AWAKE_MODE_OFF, "Never")):
            await person.page.clock.fast_forward(20_000)
            await control.set_keep_awake(mode)
            await expect(person.page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")

        assert [url for url in person.requested if url.endswith("/live")] == []


async def test_what_was_done_without_an_answer_is_not_called_undone(
    chromium: Browser, program: Process, pictures: Path
) -> None:
    async with owner_in_a_hurry(chromium, program, pictures) as person:
        program.signal(signal.SIGSTOP)
        await person.press("Never")

        await person.page.clock.fast_forward(36_000)
        await person.reads("Whether your last step was done is not known.")

        person.requested.clear()
        await person.page.clock.fast_forward(41_000)
        await until(lambda: any(url.endswith("/live") for url in person.requested))
        # The state is lost, too, which does not take its place.
        await person.reads("Whether your last step was done is not known.")


async def test_words_that_do_not_come_are_asked_for_again(chromium: Browser, page: ServedPage, pictures: Path) -> None:
    async with owner(chromium, page.address, pictures) as person:
        await person.page.route("**/words.json", lambda route: route.fulfill(body="{broken off"), times=1)

        await person.page.reload()

        await person.reads("Connected to pocket")
        await expect(person.page.get_by_role("heading", name="This computer")).to_be_visible()


async def test_it_speaks_german(chromium: Browser, bench: Bench, pictures: Path) -> None:
    async with (
        served(bench.control, language=Language.GERMAN) as page,
        owner(chromium, page.address, pictures) as person,
    ):
        await person.reads("Verbunden mit pocket")
        assert await person.page.evaluate("document.documentElement.lang") == "de"

        await person.look("german")


async def test_a_phone_is_paired_with_the_code_on_the_page_and_real_programs(
    chromium: Browser, tmp_path: Path, pictures: Path
) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-host", "desk")
        await world.sign_in("dispatch-phone", "pocket")
        host = await world.start("dispatch-host", "run", "--home", world.home("desk"))
        await host.event("running")
        serving = await world.start("dispatch-host", "status", "--page", "--home", world.home("desk"))
        address = (await serving.event("page"))["url"]
        async with owner(chromium, address, pictures) as person:
            await person.reads("No phone is paired yet.")
            await person.press("Show a code")
            code = person.page.get_by_role("img", name="Code for pairing")
            await expect(code).to_be_visible()
            await person.look("code", widths=WIDTHS)
            await person.page.set_viewport_size({"width": 1280, "height": 900})
            await code.screenshot(path=tmp_path / "code.png")

            phone = await world.start(
                "dispatch-phone", "pair", "--home", world.home("pocket"), "--qr", str(tmp_path / "code.png")
            )
            digits = (await phone.event("code"))["code"]
            await person.reads(digits)
            await expect(person.page.get_by_role("button", name="Refuse")).to_be_focused()
            await person.look("digits")
            await phone.say("yes")
            await person.press("They are the same")

            await phone.event("paired")
            await person.reads("Paired with pocket.")
            await person.reads("Connected to pocket")
            (tmp_path / "files").mkdir()
            (tmp_path / "files" / "a.csv").write_text("place\nnorth\n")
            await run("dispatch-host", "folders", "add", str(tmp_path / "files"), "--home", world.home("desk"))
            assert (await world.send("show the top 5 rows of the csv a"))[0] == 0
            await person.reads("north")
            await person.look("paired")
        assert await serving.stop() == 0
