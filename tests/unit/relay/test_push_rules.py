"""What calls people by rule and without a wire: when, in which words, where to, and what an answer means."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import datetime
from zoneinfo import ZoneInfo

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dispatch.api.relay.v1.relay_pb2 import PUSH_HINT_NEWS, PUSH_HINT_QUESTION, Outcome
from dispatch.ids import PairId
from dispatch.words import ENGLISH, Language, Words
from dispatch_relay.push import OwedCall, schedule
from dispatch_relay.push.answers import Answer, Result, judged
from dispatch_relay.push.attempts import Attempts
from dispatch_relay.push.places import Places, site
from dispatch_relay.push.reach import Reach
from dispatch_relay.push.schedule import Pace
from dispatch_relay.push.target import Quiet
from dispatch_relay.push.words import PAYLOAD_BYTES, Message, headers, payload, sentence

from tests.support.waiting import until

HOUR = 60 * 60 * 1_000
NOW = 1_795_000_000_000
PACE = Pace()
PAIR = PairId(b"p" * 16)


def call(hint: int = PUSH_HINT_NEWS, **fields: int) -> OwedCall:
    """Give an owed call."""
    return OwedCall(**{"number": 1, "seq": 7, "hint": hint, "at_ms": NOW, **fields})  # type: ignore[arg-type]


def due(owed: OwedCall, *, rung_ms: int = 0, quiet: Quiet | None = None) -> int:
    """Say in how many ms it may go when it comes now."""
    return schedule.due_ms(owed, came_ms=NOW, rung_ms=rung_ms, quiet=quiet, pace=PACE, now_ms=NOW) - NOW


def test_news_wait_for_more_and_a_question_does_not() -> None:
    assert due(call()) == PACE.group_ms
    assert due(call(PUSH_HINT_QUESTION)) == 0


def test_news_wait_for_a_minute_after_a_push_and_a_question_for_a_quarter_of_it() -> None:
    assert due(call(), rung_ms=NOW) == PACE.news_gap_ms
    assert due(call(PUSH_HINT_QUESTION), rung_ms=NOW) == PACE.question_gap_ms


def test_a_clock_that_was_set_back_holds_nobody_for_hours() -> None:
    assert due(call(PUSH_HINT_QUESTION), rung_ms=NOW + 5 * HOUR) == 0


def at(text: str, zone: str) -> int:
    """Give the moment in ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-10T21:59", None),
        ("2026-03-10T22:00", "2026-03-11T07:30"),
        ("2026-03-11T00:00", "2026-03-11T07:30"),
        ("2026-03-11T07:29", "2026-03-11T07:30"),
        ("2026-03-11T07:30", None),
        ("2026-03-28T23:00", "2026-03-29T07:30"),  # the clocks go forward in that night
        ("2026-10-24T23:00", "2026-10-25T07:30"),  # and back
    ],
)
def test_quiet_hours_end_where_the_phone_is(now: str, until: str | None) -> None:
    quiet = Quiet("Europe/Berlin", 22 * 60, 7 * 60 + 30)

    assert schedule.after_quiet(quiet, at(now, "Europe/Berlin")) == at(until or now, "Europe/Berlin")


def test_quiet_hours_within_one_day_end_that_day() -> None:
    quiet = Quiet("Asia/Kolkata", 13 * 60, 15 * 60)

    assert schedule.after_quiet(quiet, at("2026-03-10T14:00", "Asia/Kolkata")) == at("2026-03-10T15:00", "Asia/Kolkata")
    assert schedule.after_quiet(quiet, at("2026-03-10T16:00", "Asia/Kolkata")) == at("2026-03-10T16:00", "Asia/Kolkata")


def test_an_end_that_the_change_of_the_clocks_leaves_out_is_still_an_end() -> None:
    quiet = Quiet("Europe/Berlin", 0, 2 * 60 + 30)  # 02:30 is left out on that day
    now = at("2026-03-29T01:00", "Europe/Berlin")

    assert 0 < schedule.after_quiet(quiet, now) - now <= 2 * HOUR


def test_only_a_question_comes_through_quiet_hours_that_let_it() -> None:
    always = Quiet("UTC", 1, 0, questions_ring=True)  # all but a minute of the day
    assert not schedule.held(call(PUSH_HINT_QUESTION), always, now_ms=NOW)
    assert schedule.held(call(), always, now_ms=NOW)
    assert schedule.held(call(PUSH_HINT_QUESTION), Quiet("UTC", 1, 0), now_ms=NOW)


def test_back_off_doubles_up_to_half_an_hour_and_listens_to_advice_for_an_hour() -> None:
    def longest(attempts: int, advised_ms: int = 0) -> int:
        return schedule.retry_ms(attempts, advised_ms=advised_ms, pace=PACE, jitter=lambda _, most: most)

    assert [longest(attempts) for attempts in (1, 2, 3, 4)] == [5_000, 10_000, 20_000, 40_000]
    assert longest(10_000) == schedule.LONGEST_RETRY_MS
    assert longest(1, advised_ms=90_000) == 90_000
    assert longest(1, advised_ms=48 * HOUR) == HOUR
    assert schedule.retry_ms(1, advised_ms=0, pace=PACE, jitter=lambda least, _: least) == 3_750


def test_a_payload_says_the_newest_row_and_has_the_same_length_whatever_it_says() -> None:
    one = Message(PAIR, [call(seq=1)])
    many = Message(PAIR, [call(seq=2**63 - 1), call(PUSH_HINT_QUESTION, seq=3)] + [call()] * 5_000)

    assert len(payload(one)) == len(payload(many)) == PAYLOAD_BYTES
    assert json.loads(payload(one)) == {"v": 1, "pairing": PAIR.hex(), "hint": "news", "seq": 1, "calls": 1}
    assert json.loads(payload(many))["hint"] == "question"
    assert json.loads(payload(many))["seq"] == 2**63 - 1


def test_a_topic_groups_what_is_of_one_pairing_and_one_kind_and_leads_to_no_pairing() -> None:
    def topic(pair_id: PairId, hint: int, secret: bytes = b"s") -> str:
        return headers(Message(pair_id, [call(hint)]), secret=secret)["Topic"]

    news = topic(PAIR, PUSH_HINT_NEWS)
    assert news == topic(PAIR, PUSH_HINT_NEWS)
    assert len({news, topic(PAIR, PUSH_HINT_QUESTION), topic(PairId(b"q" * 16), 1), topic(PAIR, 1, b"other")}) == 4


def test_a_service_is_told_states_and_numbers_and_nothing_else() -> None:
    done, failed = Outcome.OUTCOME_DONE, Outcome.OUTCOME_FAILED
    assert sentence([call(outcome=done)], ENGLISH) == "1 task is done."
    several = [call(outcome=done), call(outcome=failed), call(outcome=done), call(PUSH_HINT_QUESTION)]
    assert sentence(several, ENGLISH) == ("2 tasks are done, 1 task failed, a question waits.")
    assert sentence([call(seq=0)], ENGLISH) == "A computer with a task is out of contact."
    assert sentence([call()], ENGLISH) == "There is news."


def test_a_service_is_told_it_in_the_language_of_the_phone() -> None:
    german = Words.of(Language.GERMAN)
    done = Outcome.OUTCOME_DONE

    assert sentence([call(outcome=done), call(outcome=done), call(PUSH_HINT_QUESTION)], german) == (
        "2 Aufgaben sind erledigt, eine Frage wartet."
    )
    assert sentence([call()], german) == "Es gibt Neues."


def test_every_outcome_has_its_words() -> None:
    for outcome in Outcome.values():
        if outcome:
            assert sentence([call(outcome=outcome)], ENGLISH).startswith("1 task ")


@pytest.mark.parametrize(
    ("status", "retry_after", "answer"),
    [
        (201, "", Answer(Result.SENT)),
        (202, "", Answer(Result.SENT)),
        (404, "", Answer(Result.GONE)),
        (410, "", Answer(Result.GONE)),
        (429, "120", Answer(Result.BUSY, 120_000)),
        (503, "Fri, 27 Nov 2026 08:00:00 GMT", Answer(Result.BUSY, 5_000)),
        (503, "Fri, 27 Nov 2020 08:00:00 GMT", Answer(Result.BUSY)),
        (500, "soon", Answer(Result.BUSY)),
        (500, "9" * 400, Answer(Result.BUSY)),
        (500, "-5", Answer(Result.BUSY)),
        (302, "", Answer(Result.REFUSED)),
        (413, "", Answer(Result.REFUSED)),
        (100, "", Answer(Result.REFUSED)),
    ],
)
def test_an_answer_of_a_push_service_means(status: int, retry_after: str, answer: Answer) -> None:
    assert judged(status, retry_after, now_ms=at("2026-11-27T07:59:55", "UTC")) == answer


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104 -- asked about, not listened on
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "fec0::1"),
        *(
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "localhost",
            "",
        ),
    ],
)
def test_an_address_that_is_nobodys_on_the_internet_is_not_called(address: str) -> None:
    assert not Reach().allows(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_an_address_on_the_internet_is_called(address: str) -> None:
    assert Reach().allows(address)


def test_a_network_that_the_operator_named_is_called_and_no_other() -> None:
    reach = Reach.of(["192.168.7.0/24"])
    assert reach.allows("192.168.7.9")
    assert reach.allows("::ffff:192.168.7.9")
    assert not reach.allows("192.168.8.9")


def test_what_opens_pushes_here_opens_the_example_of_rfc_8291() -> None:
    """Appendix A: else the tests would only show that two ends of one library agree."""

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    receiver = ec.derive_private_key(
        int.from_bytes(raw("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big"), ec.SECP256R1()
    )
    body = raw(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
        "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )

    text = http_ece.decrypt(body, private_key=receiver, auth_secret=raw("BTBZMqHH6r4Tts7J_aSIgg"), version="aes128gcm")

    assert text == b"When I grow up, I want to be a watermelon"


# ---- who may try at once


@pytest.mark.parametrize(
    ("endpoint", "whose"),
    [
        ("https://push.example/a", "push.example"),
        ("https://x17.y.Evil.example:8443/a?b", "evil.example"),
        ("https://evil.example./a", "evil.example"),
        ("https://localhost/a", "localhost"),
        ("https://192.0.2.77/a", "192.0.2.0/24"),
    ],
)
def test_whose_an_endpoint_is_no_name_in_front_of_it_hides(endpoint: str, whose: str) -> None:
    assert site(endpoint) == whose


async def test_who_is_slow_keeps_those_of_their_own_site_waiting_and_nobody_else() -> None:
    places, over, trying = Places(in_all=3, of_site=2), asyncio.Event(), []

    async def hang(whose: str) -> None:
        async with places.take(whose):
            trying.append(whose)
            await over.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(hang("evil.example"))
        await until(lambda: trying == ["evil.example"] * 2)

        async with places.take("push.example"):
            assert trying == ["evil.example"] * 2
        over.set()

    assert trying == ["evil.example"] * 4


# ---- what is remembered of attempts


def attempts() -> Attempts:
    """Give the memory of a relay that has called nobody."""
    return Attempts(pace=PACE, jitter=lambda _least, most: most)


def test_each_attempt_that_comes_to_nothing_doubles_the_wait_until_one_goes_well() -> None:
    tried = attempts()

    waits = [tried.failed(PAIR, now_ms=NOW, advised_ms=0).not_before_ms - NOW for _ in range(3)]
    tried.ended(PAIR, now_ms=NOW)

    assert waits == [PACE.retry_ms, 2 * PACE.retry_ms, 4 * PACE.retry_ms]
    assert (tried.rung_ms(PAIR), tried.not_before_ms(PAIR, now_ms=NOW)) == (NOW, 0)
    assert tried.failed(PAIR, now_ms=NOW, advised_ms=0).not_before_ms - NOW == PACE.retry_ms


def test_what_the_relay_before_tried_counts() -> None:
    tried = attempts()

    tried.take_up(PAIR, failures=2, not_before_ms=NOW + HOUR)

    assert tried.not_before_ms(PAIR, now_ms=NOW) == NOW + HOUR
    assert tried.failed(PAIR, now_ms=NOW, advised_ms=0).failures == 3


def test_a_wait_that_a_clock_which_was_set_back_makes_endless_is_none() -> None:
    tried = attempts()
    tried.take_up(PAIR, failures=1, not_before_ms=NOW + 5 * HOUR)

    assert tried.not_before_ms(PAIR, now_ms=NOW) == 0


def test_attempts_from_which_nothing_follows_any_more_are_forgotten() -> None:
    tried, other = attempts(), PairId(b"o" * 16)
    tried.failed(PAIR, now_ms=NOW, advised_ms=0)

    tried.ended(other, now_ms=NOW + 10 * 60 * 1_000)
    assert tried.failed(PAIR, now_ms=NOW, advised_ms=0).failures == 2

    tried.ended(other, now_ms=NOW + HOUR)
    assert tried.failed(PAIR, now_ms=NOW, advised_ms=0).failures == 1
