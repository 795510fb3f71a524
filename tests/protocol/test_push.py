"""Push, from the row to the browser: a real relay calls a real push service over TLS, which decrypts as a browser does."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.push.opening import PushOptions

from tests.protocol.test_calls import busy_host, recorded
from tests.protocol.test_relay_process import words
from tests.support.certificates import Certificates
from tests.support.device_end import DeviceEnd
from tests.support.processes import Process
from tests.support.push_service import PLEASE_HANG, Browser, PushService
from tests.support.relay import QUICK, Pair, Relay
from tests.support.trust_service import TrustService
from tests.support.waiting import until

ATTEMPTS = "dispatch_relay_push_attempts_total"
PUSHES = "dispatch_relay_pushes_total"
LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest.fixture
async def service(certificates: Certificates) -> AsyncIterator[PushService]:
    async with PushService(certificates) as service:
        yield service


CALM = replace(
    QUICK,
    lease_ms=60_000,
    idle_ask_ms=60_000,
    push_group_ms=1,
    push_news_gap_ms=1,
    push_question_gap_ms=1,
    push_retry_ms=20,
    push_timeout_ms=30_000,
    push_networks=LOOPBACK,
)
"""Asks nobody anything, and calls people without waiting for more to come."""


@pytest.fixture
async def relay(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Relay]:
    """Give a relay that calls by Web Push."""
    options = PushOptions(contact="mailto:operator@example.org", ca=certificates.file)
    async with Relay(tmp_path / "relay", settings=CALM, push=options) as relay:
        yield relay


async def says(phone: DeviceEnd, target: pb.PushTarget) -> pb.PushTargetKept:
    """Let a phone say where it wants to be called; gives the answer."""
    before = len(phone.frames)
    await phone.say(push_target=target)
    return (await phone.got("push_target_kept", after=before)).push_target_kept


async def subscribed(relay: Relay, browser: Browser, **more: object) -> tuple[Pair, DeviceEnd]:
    """Give a pairing whose phone wants to be called there, and went away; and its host."""
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    kept = await says(phone, browser.target(**more))
    assert not kept.reason, kept
    await phone.bye()
    return pair, host


async def news(host: DeviceEnd, text: bytes, hint: pb.PushHint.ValueType = pb.PUSH_HINT_NEWS, **fields: object) -> int:
    """Let a host write a row that calls."""
    return await host.receipt(await host.keep(text, push_hint=hint, **fields))


def stored(relay: Relay, what: str) -> list[tuple[Any, ...]]:
    """Read the relay's store."""
    with sqlite3.connect(relay.data / "relay.sqlite3") as store:
        return store.execute(what).fetchall()


def changed(relay: Relay, what: str) -> None:
    """Write into the store of a relay that stands still."""
    with sqlite3.connect(relay.data / "relay.sqlite3") as store:
        store.execute(what)


# ---- what comes


async def test_a_row_calls_the_phone_which_opens_what_came(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    pair, host = await subscribed(relay, browser)

    seq = await news(host, b"what a person wrote")

    pushed = await browser.got()
    assert pushed.said == {"v": 1, "pairing": pair.pair_id.hex(), "hint": "news", "seq": seq, "calls": 1}
    await until(lambda: recorded(relay) == ["sent"])
    assert await relay.metric(PUSHES, outcome="sent") == 1
    assert await relay.metric(ATTEMPTS, result="sent", transport="web") == 1
    assert await relay.metric("dispatch_relay_push_waiting") == 0


async def test_the_push_service_learns_nothing_but_that_somebody_is_called(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    pair, host = await subscribed(relay, browser)

    await news(host, b"news")
    first = await browser.got()
    await news(host, b"a question", pb.PUSH_HINT_QUESTION)
    second = await browser.got(2)

    assert first.body != second.body
    assert len(first.body) == len(second.body)
    assert first.headers["Content-Encoding"] == "aes128gcm"
    assert (first.headers["TTL"], first.headers["Urgency"]) == ("86400", "normal")
    assert (second.headers["TTL"], second.headers["Urgency"]) == ("3600", "high")
    for pushed in (first, second):
        assert len(pushed.headers["Topic"]) == 32
        assert pair.pair_id.hex() not in str(pushed.headers)
        assert set(pushed.headers) == {
            "Host", "TTL", "Urgency", "Topic", "Authorization", "Content-Encoding", "Content-Type",
            "Accept", "Accept-Encoding", "User-Agent", "Content-Length",
        }  # fmt: skip


async def test_a_phone_subscribes_with_the_key_that_then_calls_it(relay: Relay, service: PushService) -> None:
    pair = relay.pair()
    phone = await relay.attach(pair.phone)
    key = (await phone.got("opened")).opened.push_key
    browser = service.subscribe()
    _, host = await subscribed(relay, browser)
    await news(host, b"news")

    pushed = await browser.got()

    assert pushed.key == key
    assert pushed.claims["aud"] == service.origin
    assert pushed.claims["sub"] == "mailto:operator@example.org"
    assert (relay.data / "vapid.pem").stat().st_mode & 0o777 == 0o600


async def test_the_key_stays_the_same_over_a_restart_and_no_host_is_told_it(relay: Relay) -> None:
    pair = relay.pair()
    before = (await (await relay.attach(pair.phone)).got("opened")).opened.push_key
    await relay.stop()
    await relay.start()

    assert (await (await relay.attach(pair.phone)).got("opened")).opened.push_key == before
    assert (await (await relay.attach(pair.host)).got("opened")).opened.push_key == b""


async def test_each_push_service_gets_a_token_for_itself(
    relay: Relay, service: PushService, certificates: Certificates
) -> None:
    async with PushService(certificates) as another:
        here, there = service.subscribe(), another.subscribe()
        for browser in (here, there, here):
            _, host = await subscribed(relay, browser)
            await news(host, b"news")
            await until(lambda: recorded(relay).count("") == 0)

        assert (await here.got()).claims["aud"] == service.origin
        assert (await there.got()).claims["aud"] == another.origin


async def test_a_host_that_goes_in_the_middle_of_a_task_calls(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    pair = relay.pair()
    host, phone = await busy_host(relay, pair)
    assert not (await says(phone, browser.target())).reason

    await host.bye(notice=pb.CONDITION_ASLEEP)

    assert (await browser.got()).said["seq"] == 0


# ---- who looks


async def test_who_looks_is_not_called(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    pair, host = await subscribed(relay, browser)
    await relay.attach(pair.phone, looking=True)

    await news(host, b"news")

    await until(lambda: recorded(relay) == ["suppressed_looking"])
    assert browser.tried == []


async def test_who_begins_to_look_is_not_called_any_more(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([503])
    await relay.start_again(push_retry_ms=3_600_000)
    pair, host = await subscribed(relay, browser)
    await news(host, b"news")
    await browser.was_tried(1)

    await relay.attach(pair.phone, looking=True)

    await until(lambda: recorded(relay) == ["suppressed_looking"])
    assert await relay.metric("dispatch_relay_push_waiting") == 0


# ---- grouped, and not too often


async def test_what_comes_while_a_push_is_recent_waits_and_is_one_push(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    await relay.start_again(push_news_gap_ms=3_600_000)
    _, host = await subscribed(relay, browser)
    await news(host, b"first")
    await browser.got()
    await until(lambda: recorded(relay) == ["sent"])
    for text in (b"second", b"third", b"fourth"):
        await news(host, text)
    await relay.metric_above("dispatch_relay_push_waiting", 2)
    assert recorded(relay) == ["sent", "", "", ""]

    last = await news(host, b"a question", pb.PUSH_HINT_QUESTION)

    pushed = await browser.got(2)
    assert (pushed.said["calls"], pushed.said["seq"]) == (4, last)
    await until(lambda: recorded(relay) == ["sent"] * 5)
    assert len(browser.pushes) == 2


async def test_a_question_does_not_wait_for_news_and_takes_them_along(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    await relay.start_again(push_group_ms=3_600_000)
    _, host = await subscribed(relay, browser)
    await news(host, b"news")
    await until(lambda: stored(relay, "SELECT count(*) FROM call") == [(1,)])

    await news(host, b"a question", pb.PUSH_HINT_QUESTION)

    said = (await browser.got()).said
    assert (said["hint"], said["calls"]) == ("question", 2)
    await until(lambda: recorded(relay) == ["sent"] * 2)


async def test_a_flood_of_rows_is_few_pushes_and_few_that_wait(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    await relay.start_again(push_group_ms=3_600_000)
    _, host = await subscribed(relay, browser)

    for number in range(130):
        await news(host, str(number).encode())

    await until(lambda: recorded(relay).count("suppressed_flood") == 30)
    assert recorded(relay).count("") == 100
    assert browser.tried == []


def quiet_now(*, questions_ring: bool = False) -> pb.QuietHours:
    """Give quiet hours that began an hour ago and last for some more."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=8)
    return pb.QuietHours(
        time_zone="UTC",
        from_minute=begin.hour * 60 + begin.minute,
        to_minute=end.hour * 60 + end.minute,
        questions_ring=questions_ring,
    )


async def test_nobody_is_called_in_their_quiet_hours_and_is_when_they_end(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    pair, host = await subscribed(relay, browser, quiet=quiet_now())
    await news(host, b"at night")
    await news(host, b"a question at night", pb.PUSH_HINT_QUESTION)
    await until(lambda: [due > 0 for (due,) in stored(relay, "SELECT due_ms FROM call")] == [True, True])
    assert browser.tried == []

    phone = await relay.attach(pair.phone)
    assert not (await says(phone, browser.target())).reason  # the person is awake after all

    assert (await browser.got()).said["calls"] == 2


async def test_a_question_comes_through_quiet_hours_if_the_phone_says_so(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    _, host = await subscribed(relay, browser, quiet=quiet_now(questions_ring=True))
    await news(host, b"at night")

    await news(host, b"a question at night", pb.PUSH_HINT_QUESTION)

    assert (await browser.got()).said["calls"] == 1
    await until(lambda: recorded(relay) == ["", "sent"])


# ---- what push services answer


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_a_push_service_can_not_take_now_is_tried_again(
    relay: Relay, service: PushService, status: int
) -> None:
    browser = service.subscribe([status, status])
    _, host = await subscribed(relay, browser)

    await news(host, b"news")

    await browser.got()
    assert browser.tried == [status, status, 201]
    await until(lambda: recorded(relay) == ["sent"])
    assert await relay.metric(ATTEMPTS, result="busy", transport="web") == 2


async def test_a_push_service_that_says_when_is_not_bothered_before(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([(429, {"Retry-After": "1800"})])
    _, host = await subscribed(relay, browser)
    await news(host, b"news")
    await until(lambda: [due > 0 for (due,) in stored(relay, "SELECT due_ms FROM call")] == [True])

    await news(host, b"a question that comes meanwhile", pb.PUSH_HINT_QUESTION)
    other = service.subscribe()
    _, other_host = await subscribed(relay, other)
    await news(other_host, b"news of somebody else")
    await other.got()

    assert browser.tried == [429]
    [(due, at)] = stored(relay, "SELECT due_ms, at_ms FROM call ORDER BY number LIMIT 1")
    assert due - at >= 1_800_000


@pytest.mark.parametrize("status", [400, 500])
async def test_looking_and_looking_away_has_an_endpoint_tried_no_sooner(
    relay: Relay, service: PushService, status: int
) -> None:
    browser = service.subscribe([status] * 9)
    await relay.start_again(push_retry_ms=3_600_000, push_question_gap_ms=3_600_000)
    pair, host = await subscribed(relay, browser)
    await news(host, b"a question", pb.PUSH_HINT_QUESTION)
    await relay.metric_above(ATTEMPTS, 0, result="refused" if status == 400 else "busy", transport="web")

    phone = await relay.attach(pair.phone, looking=True)
    await until(lambda: recorded(relay) == ["failed" if status == 400 else "suppressed_looking"])
    await phone.bye()
    await news(host, b"another", pb.PUSH_HINT_QUESTION)

    await until(lambda: stored(relay, "SELECT due_ms > at_ms + 60000 FROM call WHERE outcome = ''") == [(1,)])
    assert browser.tried == [status]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_dropped(relay: Relay, service: PushService, status: int) -> None:
    browser = service.subscribe([status])
    _, host = await subscribed(relay, browser)

    await news(host, b"news")
    await until(lambda: recorded(relay) == ["failed"])
    await news(host, b"more news")

    await until(lambda: recorded(relay) == ["failed", "no_target"])
    assert browser.tried == [status]
    assert stored(relay, "SELECT count(*) FROM push_target") == [(0,)]


async def test_quiet_hours_outlive_a_subscription_that_is_gone(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([410])
    hour = (datetime.now(UTC).hour + 12) % 24
    quiet = pb.QuietHours(time_zone="UTC", from_minute=60 * hour, to_minute=60 * hour + 1)  # not now
    _, host = await subscribed(relay, browser, quiet=quiet)

    await news(host, b"news")

    await until(lambda: recorded(relay) == ["failed"])
    assert stored(relay, "SELECT endpoint, time_zone FROM push_target") == [("", "UTC")]


@pytest.mark.parametrize("status", [400, 403, 413])
async def test_what_a_push_service_will_never_take_is_given_up(relay: Relay, service: PushService, status: int) -> None:
    browser = service.subscribe([status])
    _, host = await subscribed(relay, browser)

    await news(host, b"news")

    await until(lambda: recorded(relay) == ["failed"])
    assert browser.tried == [status]
    assert stored(relay, "SELECT count(*) FROM push_target") == [(1,)]


async def test_no_redirect_is_followed(relay: Relay, service: PushService) -> None:
    browser = service.subscribe()
    browser.answers = [(307, {"Location": f"{service.origin}/elsewhere"})]
    _, host = await subscribed(relay, browser)

    await news(host, b"news")

    await until(lambda: recorded(relay) == ["failed"])
    assert service.strays == []


async def test_a_push_service_that_does_not_answer_is_tried_again(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([PLEASE_HANG])
    await relay.start_again(push_timeout_ms=200)
    _, host = await subscribed(relay, browser)

    await news(host, b"news")

    await browser.was_tried(2)
    assert browser.tried[0] == PLEASE_HANG
    assert await relay.metric(ATTEMPTS, result="unreachable", transport="web") >= 1


async def test_a_push_service_with_a_strangers_certificate_is_told_nothing(
    relay: Relay, service: PushService, tmp_path: Path
) -> None:
    async with PushService(Certificates(tmp_path / "stranger", "stranger")) as stranger:
        browser = stranger.subscribe()
        await relay.start_again(push_retry_ms=3_600_000)
        _, host = await subscribed(relay, browser)

        await news(host, b"news")

        await relay.metric_above(ATTEMPTS, 0, result="unreachable", transport="web")
        assert browser.tried == []


async def test_a_name_that_leads_into_the_network_of_the_relay_is_not_called(
    relay: Relay, service: PushService
) -> None:
    await relay.start_again(push_networks=())
    browser = service.subscribe()
    _, host = await subscribed(relay, browser)

    await news(host, b"news")

    await until(lambda: recorded(relay) == ["failed"])
    assert browser.tried == []
    assert service.strays == []
    assert await relay.metric(ATTEMPTS, result="forbidden", transport="web") == 1


# ---- over restarts


async def test_a_push_that_came_to_nothing_is_the_next_relays(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([503, 503])
    await relay.start_again(push_retry_ms=3_600_000)
    _, host = await subscribed(relay, browser)
    await news(host, b"news")
    await until(lambda: stored(relay, "SELECT attempts FROM call WHERE due_ms > 0") == [(1,)])
    await relay.stop()
    changed(relay, "UPDATE call SET due_ms = 1")  # as when the relay was away for an hour

    await relay.start()
    await until(lambda: stored(relay, "SELECT attempts FROM call WHERE due_ms > 1") == [(2,)])
    await relay.stop()
    changed(relay, "UPDATE call SET due_ms = 1")
    await relay.start()

    await browser.got()
    assert browser.tried == [503, 503, 201]
    await until(lambda: recorded(relay) == ["sent"])


async def test_the_next_relay_does_not_try_before_its_time(relay: Relay, service: PushService) -> None:
    browser, other = service.subscribe([503]), service.subscribe()
    await relay.start_again(push_retry_ms=3_600_000)
    _, host = await subscribed(relay, browser)
    await news(host, b"news")
    await until(lambda: stored(relay, "SELECT attempts FROM call WHERE due_ms > 0") == [(1,)])

    await relay.start_again()
    await relay.metric_above("dispatch_relay_push_waiting", 0)
    _, other_host = await subscribed(relay, other)
    await news(other_host, b"news of somebody else")
    await other.got()

    assert browser.tried == [503]


@pytest.mark.big
async def test_a_relay_that_is_killed_while_it_pushes_pushes_when_it_is_back(
    tmp_path: Path, service: PushService, certificates: Certificates
) -> None:
    browser = service.subscribe([PLEASE_HANG])
    options = {"push-contact": "mailto:operator@example.org", "push-ca": str(certificates.file)}
    env = {"DISPATCH_RELAY_PUSH_NETWORKS": ",".join(LOOPBACK), "DISPATCH_RELAY_PUSH_GROUP_MS": "1"}
    async with TrustService() as trust:
        line = words(tmp_path / "killed", pairing=trust.address, **options)
        relay = await Process.start(*line, env=env)
        address, pair = (await relay.event("listening"))["address"], Pair(trust)
        host = await DeviceEnd.attach_soon(pair.host, address)
        phone = await DeviceEnd.attach_soon(pair.phone, address)
        assert not (await says(phone, browser.target())).reason
        await phone.bye()
        seq = await news(host, b"news")
        await browser.was_tried(1)

        relay.signal(signal.SIGKILL)
        await relay.ended()
        relay = await Process.start(*line, env=env)

        assert (await browser.got()).said["seq"] == seq
        await host.drop()
        assert await relay.stop() == 0
        assert service.origin not in relay.stderr.decode()


async def test_after_a_day_it_is_given_up(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([503, 503])
    await relay.start_again(push_retry_ms=3_600_000)
    _, host = await subscribed(relay, browser)
    await news(host, b"news")
    await until(lambda: stored(relay, "SELECT attempts FROM call WHERE due_ms > 0") == [(1,)])
    await relay.stop()
    changed(relay, "UPDATE call SET due_ms = 1, at_ms = at_ms - 25 * 60 * 60 * 1000")

    await relay.start()

    await until(lambda: recorded(relay) == ["failed"])
    assert browser.tried == [503, 503]


# ---- registering


async def test_a_new_target_replaces_the_old_one_and_an_empty_one_removes_it(
    relay: Relay, service: PushService
) -> None:
    old, new = service.subscribe(), service.subscribe()
    pair, host = await subscribed(relay, old)
    phone = await relay.attach(pair.phone)

    assert not (await says(phone, new.target())).reason
    await news(host, b"news")
    await new.got()
    assert not (await says(phone, pb.PushTarget())).reason
    await news(host, b"more news")

    await until(lambda: recorded(relay) == ["sent", "no_target"])
    assert old.tried == []
    assert stored(relay, "SELECT count(*) FROM push_target") == [(0,)]


async def test_a_target_ends_with_the_pairing(relay: Relay, service: PushService) -> None:
    browser = service.subscribe([503])
    await relay.start_again(push_retry_ms=3_600_000)
    pair, host = await subscribed(relay, browser)
    await news(host, b"news")
    await browser.was_tried(1)

    await relay.trust.revoke_paired(pair.phone.device_id, pair.pair_id, role=pb.DEVICE_KIND_PHONE)

    await until(lambda: stored(relay, "SELECT count(*) FROM push_target") == [(0,)])
    await until(lambda: stored(relay, "SELECT count(*) FROM pairing") == [(0,)])
    await relay.start_again()
    assert browser.tried == [503]


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "http://push.example/x"},
        {"endpoint": "https://user:secret@push.example/x"},
        {"endpoint": "https://push.example/x#y"},
        {"endpoint": "https://push.example/" + "x" * 2_048},
        {"endpoint": "https:///x"},
        {"endpoint": "https://push.example:99999/x"},
        {"endpoint": "https://push.example/\u00e4"},
        {"endpoint": "https://push.example/x\r\nTTL: 0"},
        {"endpoint": "https://10.0.0.1/x"},
        {"endpoint": "https://169.254.169.254/latest"},
        {"endpoint": "https://[::ffff:10.0.0.1]/x"},
        {"endpoint": "https://[64:ff9b::10.0.0.1]/x"},
        {"p256dh": b""},
        {"p256dh": b"\x04" + bytes(64)},
        {"p256dh": b"\x02" + bytes(32)},
        {"auth": b"short"},
        {"quiet": pb.QuietHours(time_zone="Nowhere/Never", from_minute=0, to_minute=1)},
        {"quiet": pb.QuietHours(time_zone="../../etc/passwd", from_minute=0, to_minute=1)},
        {"quiet": pb.QuietHours(time_zone="Europe", from_minute=0, to_minute=1)},
        {"quiet": pb.QuietHours(time_zone="UTC", from_minute=0, to_minute=1_440)},
        {"quiet": pb.QuietHours(time_zone="UTC", from_minute=60, to_minute=60)},
    ],
    ids=str,
)
async def test_a_target_that_is_none_is_refused_and_the_stream_goes_on(
    relay: Relay, service: PushService, wrong: dict[str, object]
) -> None:
    phone = await relay.attach(relay.pair().phone)
    target = service.subscribe().target()
    target.MergeFrom(pb.PushTarget(**{name: value for name, value in wrong.items() if name == "quiet"}))  # type: ignore[arg-type]
    for name in ("endpoint", "p256dh", "auth"):
        if name in wrong:
            setattr(target, name, wrong[name])

    kept = await says(phone, target)

    assert kept.reason == Reason.REASON_BAD_REQUEST
    assert stored(relay, "SELECT count(*) FROM push_target") == [(0,)]
    assert not (await says(phone, service.subscribe().target())).reason


async def test_targets_that_come_too_fast_are_refused(relay: Relay, service: PushService) -> None:
    phone = await relay.attach(relay.pair().phone)
    target = service.subscribe().target()

    for _ in range(12):
        await phone.say(push_target=target)

    await until(lambda: len(phone.all("push_target_kept")) == 12)
    reasons = [kept.reason for kept in phone.all("push_target_kept")]
    assert Reason.REASON_RATE_LIMITED in reasons
    assert reasons.count(Reason.REASON_UNSPECIFIED) >= 5


async def test_a_relay_that_calls_nobody_says_so(calm_relay: Relay, service: PushService) -> None:
    phone = await calm_relay.attach(calm_relay.pair().phone)

    kept = await says(phone, service.subscribe().target())

    assert kept.reason == Reason.REASON_NOT_SUPPORTED
    assert (await phone.got("opened")).opened.push_key == b""
