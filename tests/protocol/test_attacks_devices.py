"""An attacker who owns the relay, seen from the two ends: the host that it attacks, the phone that it lies to.

Each attempt on the host is refused for the right reason, counted once and logged once, and leaves no secret in either. A
phone has no page of numbers: what it finds out it shows, and keeps.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST, DEVICE_KIND_PHONE
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.device.keys import PlainFiles
from dispatch.sealed.head import Head
from dispatch.sealed.session import PhoneSession
from dispatch_host.pairings import keys_of
from mobile_sim.desk import Desk

from tests.support.attacks import LogBook, Watch
from tests.support.host_bench import Bench
from tests.support.lying_relay import LyingRelay
from tests.support.phone_end import PhoneEnd
from tests.support.seeded_phone import Event, SeededPhone, send_request
from tests.support.trust_service import TrustService
from tests.support.waiting import until_so

REFUSALS = "dispatch_host_refusals_total"
TEXT = "quick: what nobody else may read"


@pytest.fixture
async def bench(log: LogBook, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


@pytest.fixture
def watched(log: LogBook, bench: Bench) -> Watch:
    """Give what tells of attacks on the host."""
    keys = bench.phone.keys
    secrets: list[bytes | str] = [keys.pair_psk, keys.own_x25519, bench.phone.grant, TEXT]
    return Watch(page=bench.metrics_text, log=log, secrets=secrets, ids=[bench.pair_id])


async def still_served(bench: Bench) -> None:
    """The phone's own session goes on as if nothing had been."""
    sent = await bench.phone.sends(TEXT)
    await bench.phone.sees_end(sent.task_id)


# ---- Handshakes.


async def test_a_recorded_handshake_is_not_answered_again(bench: Bench, watched: Watch) -> None:
    phone = bench.phone
    recorded = phone.session.start(grant=phone.grant, head=phone.head, now_ms=bench.clock_ms())
    before = phone.session.epoch
    await bench.relay.live(recorded)
    await bench.relay.until(lambda: phone.session.epoch != before)
    await phone.confirms()
    answers = handshakes_of(bench)

    logged = {"event": "handshake not answered", "why": "replayed"}
    async with watched.expects(REFUSALS, reason="HANDSHAKE_FAILED", times=3, logged=logged):
        for _ in range(3):
            await bench.relay.live(recorded)

    assert handshakes_of(bench) == answers
    await still_served(bench)


def handshakes_of(bench: Bench) -> int:
    """Count the handshakes that the host has answered."""
    return sum(frame.HasField("live") and frame.live.sealed[0] & 0x80 > 0 for frame in bench.relay.frames)


FORGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "made up": ("malformed", lambda _: b"\x81junk"),
    "changed in its last byte": ("bad tag", lambda true: true[:-1] + bytes([true[-1] ^ 1])),
    "of another pairing": ("other pair", lambda true: true[:1] + os.urandom(16) + true[17:]),
}


@pytest.mark.parametrize("what", FORGED)
async def test_a_forged_handshake_is_not_answered(bench: Bench, watched: Watch, what: str) -> None:
    why, forge = FORGED[what]
    stranger = PhoneSession(bench.phone.keys, rng=os.urandom)
    true = stranger.start(grant=bench.phone.grant, head=bench.phone.head, now_ms=bench.clock_ms())

    logged = {"event": "handshake not answered", "why": why}
    async with watched.expects(REFUSALS, reason="HANDSHAKE_FAILED", logged=logged):
        await bench.relay.live(forge(true))

    await still_served(bench)


async def test_a_flood_of_handshakes_is_counted_and_leaves_the_phone_its_session(bench: Bench, watched: Watch) -> None:
    before = await watched.reads(REFUSALS, reason="RATE_LIMITED")
    for _ in range(100):
        await bench.relay.live(b"\x81" + os.urandom(1_400))
    await still_served(bench)

    assert await watched.reads(REFUSALS, reason="RATE_LIMITED") > before + 50
    await watched.leaks_nothing()


async def test_forged_live_frames_are_counted_and_fill_no_log(bench: Bench, watched: Watch) -> None:
    lines = len(watched.log.lines)

    async with watched.expects(REFUSALS, reason="STALE_EPOCH", times=50, logged=None):
        for _ in range(50):
            await bench.relay.live(b"\x01" + os.urandom(304))

    assert len(watched.log.lines) == lines
    await still_served(bench)


# ---- A relay that lets everybody in: the host checks the grant itself.


Grant = Callable[[Bench], bytes]

GRANTS: dict[str, Grant] = {
    "expired": lambda bench: granted(bench, hours=-0.25),
    "future": lambda bench: granted(bench, starts_in_hours=1),
    "of another pairing": lambda bench: granted(bench, pair_id=os.urandom(16)),
    "of another device": lambda bench: granted(bench, key=Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
    "the host's own": lambda bench: bench.pairing.grant(bench.pair_id, bench.host_key.public, DEVICE_KIND_HOST),
    "of another service": lambda bench: TrustService().grant(
        device_key=bench.phone_key.public_key().public_bytes_raw(), pair_id=bench.pair_id, role=DEVICE_KIND_PHONE
    ),
    "none": lambda _: b"",
}


def granted(
    bench: Bench, *, hours: float = 1, starts_in_hours: float = -1, pair_id: bytes = b"", key: bytes = b""
) -> bytes:
    """Give a grant of the host's pairing service that is right but for what is named."""
    phone_key = key or bench.phone_key.public_key().public_bytes_raw()
    return bench.pairing.grant(
        pair_id or bench.pair_id, phone_key, DEVICE_KIND_PHONE, hours=hours, starts_in_hours=starts_in_hours
    )


@pytest.mark.parametrize("what", GRANTS)
async def test_a_host_behind_a_relay_that_lets_everybody_in_checks_the_grant_itself(
    bench: Bench, watched: Watch, what: str
) -> None:
    """The phone's own keys, in the hands of somebody whose right is over, or never was."""
    stolen = PhoneEnd(bench.phone.keys, bench.phone_key, bench.relay, grant=GRANTS[what](bench))
    await stolen.shakes_hands(confirm=False)
    watched.secrets += [stolen.grant] if stolen.grant else []

    logged = {"event": "session refused", "reason": "GRANT_INVALID"}
    async with watched.expects(REFUSALS, reason="GRANT_INVALID", logged=logged):
        await stolen.confirms()
    logged = {"event": "command declined", "reason": "STALE_EPOCH"}
    async with watched.expects(REFUSALS, reason="STALE_EPOCH", logged=logged):
        assert await stolen.posts(stolen.task(TEXT)) == Reason.REASON_STALE_EPOCH

    assert bench.agent.runs == []


async def test_who_may_sign_any_grant_gets_no_session_without_the_keys_of_the_pairing(
    bench: Bench, watched: Watch
) -> None:
    """A pairing service that means harm, or somebody with a backup of it: grants are all that it can make."""
    impostor = Ed25519PrivateKey.generate()
    public = impostor.public_key().public_bytes_raw()
    made_up = replace(bench.phone.keys, pair_psk=os.urandom(32), own_x25519=os.urandom(32), own_ed25519=public)
    right = bench.pairing.grant(bench.pair_id, public, DEVICE_KIND_PHONE)
    hello = PhoneSession(made_up, rng=os.urandom).start(grant=right, head=Head(), now_ms=bench.clock_ms())

    logged = {"event": "handshake not answered", "why": "bad tag"}
    async with watched.expects(REFUSALS, reason="HANDSHAKE_FAILED", logged=logged):
        await bench.relay.live(hello)

    assert bench.agent.runs == []


async def test_a_stolen_journal_holds_no_key_and_no_right(bench: Bench) -> None:
    """A backup of the host leaves out `keys/`. The words of the thread are in it; nothing that speaks for anybody is."""
    await still_served(bench)
    store = PlainFiles.of(bench.home)
    keys, device = keys_of(store, bench.pair_id), store.get("device")
    assert keys is not None
    assert device is not None
    secrets = [keys.pair_psk, keys.own_x25519, device, bench.phone.grant]
    await bench.stops()

    files = [path for path in bench.home.path.rglob("*") if path.is_file() and store.folder not in path.parents]

    assert {path.name for path in files if TEXT.encode() in path.read_bytes()} == {"journal.db"}
    for path in files:
        assert not [secret for secret in secrets if secret in path.read_bytes()], path


# ---- Commands.


async def test_a_recorded_command_runs_once_and_never_in_a_later_session(bench: Bench, watched: Watch) -> None:
    recorded = await bench.phone.sends(TEXT)
    await bench.phone.sees_end(recorded.task_id)
    assert await bench.phone.posts(recorded) is None  # taken again, as the journal has it; opened and run it is not
    fresh = bench.phone.task("quick: recorded and held back")
    await bench.phone.shakes_hands()

    logged = {"event": "command declined", "reason": "STALE_EPOCH"}
    async with watched.expects(REFUSALS, reason="STALE_EPOCH", logged=logged):
        assert await bench.phone.posts(fresh) == Reason.REASON_STALE_EPOCH

    await still_served(bench)
    assert [run.text for run in bench.agent.runs] == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("what", "word"),
    [("signature", "SIGNATURE_INVALID"), ("pair_id", "PROTOCOL_VIOLATION"), ("late", "DEADLINE_PASSED")],
)
async def test_a_command_that_the_phone_did_not_sign_for_here_and_now_is_not_run(
    bench: Bench, watched: Watch, what: str, word: str
) -> None:
    """Somebody has the session's keys, for instance out of the phone's memory, and not the key that signs."""
    wrong: dict[str, dict[str, Any]] = {
        "signature": {"signature": Ed25519PrivateKey.generate().sign(b"")},
        "pair_id": {"pair_id": os.urandom(16)},
        "late": {"deadline_ms": 0},
    }
    sent = bench.phone.task(TEXT, **wrong[what])

    async with watched.expects(REFUSALS, reason=word, logged={"event": "command declined", "reason": word}):
        assert await bench.phone.posts(sent) == Reason.Value(f"REASON_{word}")

    assert bench.agent.runs == []


# ---- The phone.


async def nobody() -> bool:
    raise AssertionError("nobody was to be asked")


async def shown(desk: Desk, kind: str) -> None:
    """Wait until the phone's thread has a line of a kind: until then a refusal may be all that the phone has heard."""

    async def there() -> bool:
        lines: list[Event] = []
        await desk.do({"do": "thread", "host": None}, say=lines.append, hear=nobody)
        return any(line["event"] == kind for line in lines)

    await until_so(there)


async def test_a_relay_that_tells_the_two_ends_different_verdicts_is_shown_as_tampering(tmp_path: Path) -> None:
    """The phone is told *refused*, the host *go*: a person would send it again, and it would run twice."""
    async with LyingRelay() as lying:
        phone = SeededPhone.make(tmp_path / "phone")
        lying.mind, _ = phone.pair(TrustService(), [lying.address])
        async with phone.desk() as desk:
            said: list[Event] = []

            async def send(**options: object) -> int:
                request = send_request("build it", **options)
                code: int = await desk.do(request, say=said.append, hear=nobody)
                return code

            async def two_faced() -> None:
                post = await lying.post()
                command, rows = lying.mind.command(post.sealed)
                assert command is not None
                lying.refuse(post, Reason.REASON_HOST_UNREACHABLE)
                for row in rows:
                    lying.deliver(row)
                for event in (
                    {"accepted": words.Accepted(attempt=command.attempt, text="build it")},
                    {"ended": words.Ended(outcome=relay.OUTCOME_DONE)},
                ):
                    lying.deliver(lying.mind.event_row(task_id=command.task_id, **event))

            task = asyncio.create_task(two_faced())
            code = await send()
            await task
            assert code in (0, 3)
            await shown(desk, "ended")
            code = await send(id=said[-1]["task_id"])

            assert (code, said[-1]["state"]) == (0, "done")
            assert said[-1]["tampering"]
            assert said[-1]["warning"]
            assert len(lying.posts) == 1  # asked again, it does not run twice
