"""The small pure parts: buckets, nonces, relays, names, and who a call comes from."""

from __future__ import annotations

import pytest
from dispatch.address import Address
from dispatch.errors import BadRequest
from dispatch.ids import DeviceId
from dispatch.runtime.peer import where
from dispatch_pairing.buckets import Buckets
from dispatch_pairing.door import own_names, papers
from dispatch_pairing.limits import Rate
from dispatch_pairing.names import clean, fold
from dispatch_pairing.nonces import Nonces
from dispatch_pairing.relays import Relays
from dispatch_pairing.stamp import Stamp
from hypothesis import given
from hypothesis.strategies import binary, booleans, integers, lists, text, tuples

PHONE = DeviceId(b"phone..." * 2)
HOST = DeviceId(b"host...." * 2)


class TestBuckets:
    rate = Rate(burst=3, refill_ms=1_000)

    def test_a_burst_is_free_and_the_next_waits_for_one_refill(self) -> None:
        buckets = Buckets(self.rate, limit=10)

        assert [buckets.take("a", now_ms=500) for _ in range(4)] == [0, 0, 0, 1_000]
        assert buckets.take("a", now_ms=1_499) == 1
        assert buckets.take("a", now_ms=1_500) == 0
        assert buckets.take("b", now_ms=500) == 0

    def test_what_is_given_back_was_never_taken(self) -> None:
        buckets = Buckets(self.rate, limit=10)
        for _ in range(100):
            assert buckets.take("a", now_ms=0) == 0
            buckets.give_back("a")

    def test_memory_is_bounded_and_who_failed_most_is_remembered_longest(self) -> None:
        buckets = Buckets(self.rate, limit=10)
        for _ in range(3):
            buckets.take("worst", now_ms=0)
        for number in range(1_000):
            buckets.take(f"flood {number}", now_ms=0)

        assert buckets.take("worst", now_ms=0) == 1_000
        assert len(buckets) <= 10

    @given(lists(tuples(integers(0, 5_000), booleans()), max_size=60))
    def test_no_more_is_ever_taken_than_the_rate_allows(self, events: list[tuple[int, bool]]) -> None:
        buckets = Buckets(self.rate, limit=10)
        now_ms = taken = 0
        for wait_ms, gives_back in events:
            now_ms += wait_ms
            if buckets.take("a", now_ms=now_ms) == 0:
                if gives_back:
                    buckets.give_back("a")
                else:
                    taken += 1
        assert taken <= self.rate.burst + now_ms // self.rate.refill_ms


class TestStamp:
    def test_services_at_different_places_of_a_rotation_know_each_others(self) -> None:
        announced, signing, alone = Stamp(lambda: (b"1", b"2")), Stamp(lambda: (b"2", b"1")), Stamp.of(b"2")

        assert announced.fits(signing.make(b"x"), b"x")
        assert signing.fits(announced.make(b"x"), b"x")
        assert signing.fits(alone.make(b"x"), b"x")
        assert alone.fits(signing.make(b"x"), b"x")
        assert not alone.fits(announced.make(b"x"), b"x")
        assert not signing.fits(alone.make(b"x"), b"y")
        assert not signing.fits(b"", b"x")


class TestNonces:
    nonces = Nonces(stamp=Stamp.of(b"k" * 32), lifetime_ms=1_000)

    def test_it_is_good_for_its_lifetime_and_its_device(self) -> None:
        nonce = self.nonces.fresh(PHONE, now_ms=5_000)

        assert self.nonces.live(nonce, PHONE, now_ms=5_000)
        assert self.nonces.live(nonce, PHONE, now_ms=5_999)
        assert not self.nonces.live(nonce, PHONE, now_ms=6_000)
        assert not self.nonces.live(nonce, HOST, now_ms=5_000)
        assert not Nonces(stamp=Stamp.of(b"x" * 32), lifetime_ms=1_000).live(nonce, PHONE, now_ms=5_000)

    def test_a_clock_that_is_set_back_makes_no_nonce_live_longer(self) -> None:
        nonce = self.nonces.fresh(PHONE, now_ms=50_000)

        assert not self.nonces.live(nonce, PHONE, now_ms=5_000)

    @given(binary(max_size=64))
    def test_nobody_else_makes_one(self, nonce: bytes) -> None:
        assert not self.nonces.live(nonce, PHONE, now_ms=5_000)

    def test_the_key_is_not_in_what_is_printed(self) -> None:
        assert "kkkk" not in repr(self.nonces)


class TestRelays:
    def test_open_ones_come_first_then_those_just_seen_and_then_none(self) -> None:
        relays = Relays(fixed=None, seen_ms=60_000, limit=10)
        for number, name in enumerate(("a:1", "b:1", "c:1")):
            assert relays.opened(name, now_ms=number)
        relays.closed("c:1", now_ms=10)

        assert relays.live(now_ms=60_009) == ["b:1", "a:1", "c:1"]
        assert relays.live(now_ms=60_010) == ["b:1", "a:1"]
        assert relays.open_count() == 2

    def test_a_relay_with_two_streams_is_there_until_both_are_over(self) -> None:
        relays = Relays(fixed=None, seen_ms=0, limit=10)
        relays.opened("a:1", now_ms=0)
        relays.opened("a:1", now_ms=1)
        relays.closed("a:1", now_ms=2)
        assert relays.live(now_ms=99) == ["a:1"]
        relays.closed("a:1", now_ms=100)
        assert relays.live(now_ms=100) == []


class TestNames:
    @given(text(max_size=80))
    def test_a_name_is_taken_tidied_or_refused_without_being_repeated(self, name: str) -> None:
        try:
            tidied = clean(name, field="name")
        except BadRequest as refused:
            assert refused.metadata == {"field": "name"}  # noqa: PT017 -- either outcome is right, and each has its facts
        else:
            assert clean(tidied, field="name") == tidied

    @given(text(max_size=80))
    def test_folding_twice_is_folding_once(self, name: str) -> None:
        assert fold(fold(name)) == fold(name)


class TestDoor:
    @pytest.mark.parametrize(
        ("peer", "address"),
        [
            ("ipv4:192.0.2.7:4711", "192.0.2.7"),
            ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:4711", "2001:db8:1:2::/64"),
            ("ipv6:[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
            ("unix:/run/x", "unix:/run/x"),
            ("", ""),
        ],
    )
    def test_failures_are_counted_by_address_and_of_ipv6_by_network(self, peer: str, address: str) -> None:
        assert where(peer) == address

    def test_on_loopback_the_computers_own_names_are_the_services(self) -> None:
        names = own_names(Address.parse("127.0.0.1:7301"), ["Pairing.example:443"], hostname="Tower")

        assert names == {"127.0.0.1:7301", "localhost:7301", "[::1]:7301", "tower:7301", "pairing.example:443"}

    def test_off_loopback_only_what_is_listened_on_and_advertised(self) -> None:
        assert own_names(Address.parse("192.0.2.1:7301"), [], hostname="tower") == {"192.0.2.1:7301"}
        assert "tower:7301" in own_names(Address.parse("0.0.0.0:7301"), [], hostname="tower")
        assert "tower:7301" in own_names(Address.parse("[::]:7301"), [], hostname="tower")

    def test_secrets_are_not_in_what_is_printed(self) -> None:
        shown = papers(
            [
                ("dispatch-device-bin", PHONE),
                ("dispatch-nonce-bin", b"secret-nonce"),
                ("dispatch-proof-bin", b"secret-proof"),
                ("dispatch-session-bin", b"secret-token"),
            ],
            address="",
        )

        assert "secret" not in repr(shown)

    def test_text_where_bytes_belong_is_nothing(self) -> None:
        shown = papers(
            [("dispatch-device-bin", PHONE), ("dispatch-proof-bin", "text"), ("dispatch-dialled", b"x")], address=""
        )

        assert (shown.proof, shown.dialled) == (b"", "")
