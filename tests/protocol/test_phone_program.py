"""`dispatch-phone` as a process: exit codes, several processes on one home, Ctrl-C, what a person reads."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay_pb
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch_relay.settings import Settings
from mobile_sim.store import PairingState
from PIL import Image

from tests.support.host_end import HostEnd
from tests.support.processes import BIN, ENVIRONMENT, Event, Process, run
from tests.support.relay import Relay
from tests.support.seeded_phone import SeededPhone
from tests.support.waiting import until, until_so


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    # The relay's own settings: processes that start on a loaded machine are no reason to lose a lease.
    async with Relay(tmp_path / "relay", settings=Settings()) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path, relay: Relay) -> SeededPhone:
    return SeededPhone.make(tmp_path / "phone")


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[HostEnd]:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as attached:
        yield attached


async def start(phone: SeededPhone, *words: str) -> Process:
    return await Process.start("dispatch-phone", *words, "--home", str(phone.path))


async def command(phone: SeededPhone, *words: str, stdin: str = "") -> tuple[int, list[Event]]:
    return await run("dispatch-phone", *words, "--home", str(phone.path), stdin=stdin)


async def read(*words: str) -> tuple[int, str, str]:
    """Run as a person does, without --json."""
    process = await asyncio.create_subprocess_exec(
        str(BIN / "dispatch-phone"),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_task_goes_from_the_command_line_to_the_host_and_back(phone: SeededPhone, host: HostEnd) -> None:
    code, events = await command(phone, "send", "Which files are largest?")

    assert (code, events[-1]["state"], events[-1]["text"]) == (0, "done", "All done.")
    assert all(not key.startswith("_") for event in events for key in event)
    assert len(host.ran) == 1


@pytest.mark.parametrize("text", [b"caf\xe9", b"\xed\xb3\xa9", b"ends in \xc3"])
async def test_words_that_are_not_utf_8_are_never_sent_whichever_way_they_come(
    phone: SeededPhone, host: HostEnd, text: bytes
) -> None:
    for words_, given in ((b"-", text), (text, b"")):
        process = await asyncio.create_subprocess_exec(
            str(BIN / "dispatch-phone"), "send", words_, "--home", str(phone.path), "--json",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
        )  # fmt: skip
        out, err = await process.communicate(given)
        assert process.returncode == 2
        assert b"UTF-8" in out + err
    assert not host.ran


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (words.Ended(outcome=relay_pb.OUTCOME_FAILED, reason=Reason.REASON_FOLDER_NOT_APPROVED), 4),
        (words.Ended(outcome=relay_pb.OUTCOME_INTERRUPTED, reason=Reason.REASON_HOST_STOPPED), 4),
        (words.Ended(outcome=relay_pb.OUTCOME_DENIED, reason=Reason.REASON_PERSON_DENIED), 5),
        (words.Ended(outcome=relay_pb.OUTCOME_TIMED_OUT, reason=Reason.REASON_NOBODY_ANSWERED), 5),
    ],
)
async def test_each_outcome_has_its_exit_code_reason_and_advice(
    phone: SeededPhone, host: HostEnd, ended: words.Ended, code: int
) -> None:
    host.works = False
    process = await start(phone, "send", "build it")
    await until(lambda: host.ran)
    await host.accept(host.mind.commands[0])
    await host.say(task_id=host.mind.commands[0].task_id, ended=ended)

    assert await process.ended() == code
    last = process.events[-1]
    assert last["reason"] == Reason.Name(ended.reason).removeprefix("REASON_")
    assert last["text"]
    assert last["advice"]


async def test_two_terminals_on_one_home_both_get_their_work_done(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    first = await start(phone, "send", "the first")
    await until(lambda: len(host.ran) == 1)
    second = await start(phone, "send", "the second")
    await until(lambda: len(host.ran) == 2)
    assert (await command(phone, "status"))[0] == 0

    for one in list(host.mind.commands):
        await host.finish(one)

    assert (await first.ended(), await second.ended()) == (0, 0)
    assert first.events[-1]["task_id"] != second.events[-1]["task_id"]
    assert len(host.ran) == 2


async def test_a_task_is_cancelled_from_another_terminal(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    sending = await start(phone, "send", "build it")
    await until(lambda: host.ran)
    await host.accept(host.mind.commands[0])

    code, events = await command(phone, "cancel", str(UUID(bytes=host.mind.commands[0].task_id)))

    assert (code, events[-1]["state"]) == (0, "cancelled")
    assert await sending.ended() == 4
    assert sending.events[-1]["state"] == "cancelled"


async def test_a_phone_that_was_never_paired_says_so_and_one_that_was_says_that(
    phone: SeededPhone, relay: Relay
) -> None:
    never = await command(phone, "send", "x")
    phone.pair(relay.trust, [relay.address])
    await command(phone, "unpair")
    no_more = await command(phone, "send", "x")

    assert [code for code, _ in (never, no_more)] == [6, 6]
    assert never[1][-1]["text"] == "This device is not paired yet."
    assert no_more[1][-1]["text"] == "The two are not paired."
    assert "any more" in no_more[1][-1]["detail"]


async def test_where_a_host_must_be_named_programs_get_an_array_of_names(
    phone: SeededPhone, host: HostEnd, relay: Relay
) -> None:
    host.works = False
    phone.pair(relay.trust, [relay.address], host="attic, east")
    names = ["desk", "attic, east"]

    alone = await command(phone, "send", "x")
    other = await start(phone, "send", "x", "--host", "desk")  # owns the home: what follows is asked of it
    await until(lambda: host.ran)
    as_guest = await command(phone, "send", "x")
    unknown = await command(phone, "unpair", "--host", "cellar")

    assert [code for code, _ in (alone, as_guest, unknown)] == [2, 2, 2]
    assert [events[-1]["reason"] for _, events in (alone, as_guest, unknown)] == [
        *["TARGET_NEEDED"] * 2,
        "TARGET_UNKNOWN",
    ]
    assert [events[-1]["hosts"] for _, events in (alone, as_guest, unknown)] == [names] * 3
    await host.finish(host.mind.commands[0])
    assert await other.ended() == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_when_the_first_terminal_ends_the_second_goes_on_by_itself(
    phone: SeededPhone, host: HostEnd, how: signal.Signals
) -> None:
    host.works = False
    first = await start(phone, "send", "the first")
    await until(lambda: len(host.ran) == 1)
    second = await start(phone, "send", "the second")
    await until(lambda: len(host.ran) == 2)
    await host.accept(host.mind.commands[1])
    await second.event("accepted")

    first.signal(how)
    await first.ended()
    await until(lambda: host.mind.handshakes >= 2)
    await host.say(task_id=host.mind.commands[1].task_id, ended=words.Ended(outcome=relay_pb.OUTCOME_DONE))

    assert await second.ended() == 0
    assert [event["event"] for event in second.events] == ["sent", "handed_over", "accepted", "done"]
    assert len(host.ran) == 2


async def test_a_guest_that_leaves_takes_nothing_with_it(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    first = await start(phone, "send", "the first")
    await until(lambda: len(host.ran) == 1)
    second = await start(phone, "send", "the second")
    await until(lambda: len(host.ran) == 2)

    second.signal(signal.SIGKILL)
    await second.ended()
    await host.finish(host.mind.commands[0])

    assert await first.ended() == 0


async def test_ctrl_c_leaves_the_task_running_and_says_so(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    process = await start(phone, "send", "build it")
    await until(lambda: host.ran)
    await host.accept(host.mind.commands[0])
    accepted = await process.event("accepted")

    process.signal(signal.SIGINT)

    assert await process.ended() == 130
    assert process.events[-1]["state"] == "accepted"
    assert "goes on" in process.events[-1]["text"]
    await host.say(task_id=host.mind.commands[0].task_id, ended=words.Ended(outcome=relay_pb.OUTCOME_DONE))
    code, events = await command(phone, "send", "build it", "--id", accepted["task_id"])
    assert (code, events[-1]["state"]) == (0, "done")
    assert len(host.ran) == 1


async def test_ctrl_c_behind_a_warning_says_how_the_task_stands_and_not_that_it_goes_on(
    phone: SeededPhone, host: HostEnd
) -> None:
    host.mind.awake = words.KeepAwake(mode=words.AwakeMode.AWAKE_MODE_OFF, reason=Reason.REASON_KEEP_AWAKE_OFF)
    host.silent = True
    process = await start(phone, "send", "build it")
    await process.event("warning")
    await process.event("handed_over")

    process.signal(signal.SIGINT)

    assert await process.ended() == 130
    assert process.events[-1]["state"] == "handed_over"
    assert "before the computer had answered" in process.events[-1]["text"]


async def test_ctrl_c_before_anything_was_sent_sends_nothing_later(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    await relay.stop()
    process = await start(phone, "send", "build it")
    await until((phone.path / "control.sock").exists)

    process.signal(signal.SIGINT)

    assert await process.ended() in (7, 130)  # 7: it had given up by itself
    await relay.start()
    async with HostEnd(mind, device, relay.address) as host:
        assert (await command(phone, "send", "another"))[0] == 0
        assert len(host.ran) == 1


@pytest.mark.big
async def test_the_thread_is_shown_without_a_network(phone: SeededPhone, host: HostEnd, relay: Relay) -> None:
    await command(phone, "send", "Which files are largest?")
    await host.vanish()
    await relay.stop()
    await command(phone, "send", "And the smallest?")

    code, lines = await command(phone, "thread")

    assert code == 0
    assert [line["event"] for line in lines] == [
        "accepted", "started", "step", "text", "ended", "asked", "not_sent",
    ]  # fmt: skip
    assert lines[0]["text"] == "Which files are largest?"
    assert lines[5]["text"] == "And the smallest?"


async def test_status_names_the_cause_of_a_host_that_is_away(phone: SeededPhone, host: HostEnd) -> None:
    await host.close(relay_pb.CONDITION_ASLEEP)

    said: list[Event] = []

    async def is_known() -> bool:
        code, said[:] = await command(phone, "status")
        assert code == 0
        return bool(said[0]["hosts"][0]["reachability"] != "unknown")

    await until_so(is_known)

    assert said[0]["account"] == "ada"
    assert (said[0]["hosts"][0]["reachability"], said[0]["hosts"][0]["reason"]) == ("absent", "HOST_ASLEEP")


@pytest.mark.big
async def test_unpair_works_without_anybody_and_the_thread_can_still_be_read(phone: SeededPhone, host: HostEnd) -> None:
    await command(phone, "send", "Which files are largest?")

    code, events = await command(phone, "unpair")

    assert (code, events[0]["event"], events[0]["service_told"]) == (0, "unpaired", False)
    assert not list((phone.path / "keys").glob("pair-*"))
    assert (await command(phone, "send", "more"))[0] == 6
    assert len((await command(phone, "thread"))[1]) == 5


async def test_keys_of_a_pairing_go_with_the_next_command_when_the_phone_was_killed_between_its_end_and_their_deletion(
    phone: SeededPhone, host: HostEnd
) -> None:
    with phone.store() as store, store.transaction():
        store.pairings.set_state(phone.pair_id(), PairingState.ENDED)
    assert list((phone.path / "keys").glob("pair-*"))

    assert await command(phone, "hosts") == (0, [])

    assert not list((phone.path / "keys").glob("pair-*"))


@pytest.mark.big
async def test_what_can_not_be_sent_says_why_and_leaves_with_its_code(phone: SeededPhone, host: HostEnd) -> None:
    cases = {
        2: [["send", ""], ["send", "  \n"], ["send", "x" * 50_000], ["send", "a", "--host", "cellar"], ["send"]],
        9: [["send", "/schedule every day"], ["cancel", str(uuid4())]],
    }
    for code, commands in cases.items():
        for one in commands:
            assert (await command(phone, *one))[0] == code, one[:2]
    assert host.handed_over == []
    _, events = await command(phone, "send", "/schedule every day")
    assert events[-1]["reason"] == "SCHEDULE_ON_HOST"
    assert events[-1]["state"] == "refused"


async def test_a_phone_without_a_sign_in_or_a_pairing_says_so(tmp_path: Path) -> None:
    home = str(tmp_path / "new")
    code, events = await run("dispatch-phone", "send", "a", "--home", home)
    assert (code, events[-1]["reason"]) == (6, "SIGN_IN_REQUIRED")

    signed_in = SeededPhone.make(tmp_path / "signed-in")
    code, events = await command(signed_in, "send", "a")
    assert (code, events[-1]["reason"]) == (6, "NOT_PAIRED")
    assert (await command(signed_in, "hosts")) == (0, [])


@pytest.mark.big
async def test_what_is_no_pairing_code_is_said_to_be_none(tmp_path: Path) -> None:
    phone = SeededPhone.make(tmp_path / "phone")
    (tmp_path / "notes.png").write_text("not a picture")
    Image.new("RGB", (300, 300), "white").save(tmp_path / "blank.png")
    for words_ in (
        ["--qr", str(tmp_path / "notes.png")],
        ["--qr", str(tmp_path / "blank.png")],
        ["--qr", str(tmp_path / "missing.png")],
        ["--link", "https://example.org/"],
        ["--link", "dispatch:pair#AAAA"],
    ):
        code, events = await command(phone, "pair", *words_)
        assert code == 4, words_
        assert (events[-1]["event"], events[-1]["reason"]) == ("not_paired", "NOT_A_PAIRING_CODE")
        assert events[-1]["detail"]
    assert (await command(phone, "pair"))[0] == 2


async def test_a_link_comes_by_standard_input_so_that_nobody_reads_it_in_the_list_of_processes(tmp_path: Path) -> None:
    phone = SeededPhone.make(tmp_path / "phone")

    code, events = await command(phone, "pair", "--link", "-", stdin="https://example.org/")

    assert (code, events[-1]["reason"]) == (4, "NOT_A_PAIRING_CODE")


async def test_words_behind_two_dashes_are_the_persons_own(phone: SeededPhone, host: HostEnd) -> None:
    process = await asyncio.create_subprocess_exec(
        str(BIN / "dispatch-phone"), "send", "--json", "--home", str(phone.path), "--", "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()

    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["state"] == "done"
    assert words.Action.FromString(host.mind.commands[0].action).task.text == "--json"


async def test_what_the_host_says_can_not_play_with_the_terminal(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    reading = asyncio.create_task(read("send", "build it", "--home", str(phone.path)))
    await until(lambda: host.ran)
    about = host.mind.commands[0].task_id
    await host.accept(host.mind.commands[0])
    await host.say(task_id=about, step=words.Step(title="\x1b]0;owned\x07 \x1b[2J step\r\x9b31m"))
    await host.say(task_id=about, result_text=words.ResultText(text="# Result\n\x1b[31mred\u202etxt"))
    await host.say(task_id=about, ended=words.Ended(outcome=relay_pb.OUTCOME_DONE))

    code, out, err = await reading

    assert (code, err) == (0, "")
    assert not any(sign in out for sign in ("\x1b", "\x07", "\x9b", "\r", "\u202e"))
    assert "␛[31mred" in out
    assert "done" in out


async def test_everything_in_the_home_is_the_owners_alone(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    process = await start(phone, "send", "build it")
    await until(lambda: host.ran)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in phone.path.rglob("*")}

    assert stat.S_IMODE(phone.path.stat().st_mode) == 0o700
    assert {name: mode for name, mode in modes.items() if mode & 0o077 and name != "sign-in.json"} == {}
    assert "control.sock" in modes
    await host.finish(host.mind.commands[0])
    await process.ended()
