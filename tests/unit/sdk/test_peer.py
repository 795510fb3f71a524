"""Where a call came from: whose word is believed, and what a caller can't say about itself (docs/scale.md)."""

from __future__ import annotations

import pytest
from dispatch.runtime.peer import FORWARDED, Proxies, network
from dispatch_pairing.web.forwarded import Forwarded
from starlette.types import Receive, Scope, Send

BALANCER, CALLER, VICTIM, STRANGER = "10.9.0.2", "192.0.2.7", "198.51.100.1", "203.0.113.9"
PROXIES = Proxies.parse(["10.9.0.0/24", "2001:db8:9::/64"])


class TestNetworks:
    def test_a_network_or_one_address(self) -> None:
        assert [str(one) for one in Proxies.parse(["10.0.0.0/8", " 192.0.2.1 ", "fd00::/8"]).networks] == [
            "10.0.0.0/8",
            "192.0.2.1/32",
            "fd00::/8",
        ]

    @pytest.mark.parametrize("word", ["", "haproxy", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0-10.0.0.9", "*"])
    def test_what_is_no_network_is_a_mistake(self, word: str) -> None:
        with pytest.raises(ValueError, match="--proxy"):
            Proxies.parse([word])

    @pytest.mark.parametrize("word", ["0.0.0.0/0", "::/0"])
    def test_nobody_believes_everybody(self, word: str) -> None:
        with pytest.raises(ValueError, match="everybody"):
            Proxies.parse([word])


class TestCaller:
    @pytest.mark.parametrize(
        ("said", "caller"),
        [
            ([CALLER], CALLER),
            (["2001:db8::7"], "2001:db8::7"),
            ([f" {CALLER} "], CALLER),
            # Only the last word is the proxy's; what stands before it came with the request.
            ([f"{VICTIM}, {CALLER}"], CALLER),
            ([VICTIM, CALLER], CALLER),
            ([f"{VICTIM},{VICTIM}", f"{STRANGER},{CALLER}"], CALLER),
        ],
    )
    def test_a_proxys_last_word_counts(self, said: list[str], caller: str) -> None:
        assert PROXIES.caller(BALANCER, said) == caller

    @pytest.mark.parametrize(
        "hostile",
        [
            "", ",", " ", "unknown", "_hidden", '"192.0.2.7"', "192.0.2.7:4711", "[2001:db8::7]", "192.0.2.7/24", "192.0.2.999",
            "3221225991", "0xC0000207", "192.0.2.7\x00", "１９２.0.2.7", "for=192.0.2.7", "fe80::1%" + "x" * 9_000 + "!, -",
            "1" * 100_000, f"{CALLER},",
        ],
    )  # fmt: skip
    def test_what_is_no_address_counts_as_nothing_said(self, hostile: str) -> None:
        assert PROXIES.caller(BALANCER, [hostile]) == BALANCER

    def test_a_caller_that_says_it_himself_is_counted_where_he_is(self) -> None:
        assert PROXIES.caller(STRANGER, [VICTIM]) == STRANGER
        assert Proxies().caller(BALANCER, [VICTIM]) == BALANCER

    def test_an_interface_in_an_address_is_left_out(self) -> None:
        assert PROXIES.caller(BALANCER, ["fe80::1%" + "x" * 9_000]) == "fe80::1"

    def test_where_a_connection_came_from_may_be_no_address(self) -> None:
        assert PROXIES.caller("", [VICTIM]) == ""
        assert PROXIES.caller("/run/x", [VICTIM]) == "/run/x"


class TestCarriers:
    @pytest.mark.parametrize("peer", [f"ipv4:{BALANCER}:4711", "ipv6:%5B2001:db8:9::2%5D:4711"])
    def test_a_call_over_grpc(self, peer: str) -> None:
        said: list[tuple[str, str | bytes]] = [
            (FORWARDED, VICTIM),
            ("dispatch-dialled", "x"),
            (FORWARDED, CALLER),
            (FORWARDED + "-bin", b"x"),
        ]

        assert PROXIES.of_grpc(peer, said) == CALLER
        assert PROXIES.of_grpc(peer, [(FORWARDED, "2001:db8:1:2:3::4")]) == "2001:db8:1:2::/64"

    @pytest.mark.parametrize("said", [None, [], [(FORWARDED, b"192.0.2.7")], [("forwarded", f"for={CALLER}")]])
    def test_a_call_over_grpc_of_which_nothing_is_said(self, said: list[tuple[str, str | bytes]] | None) -> None:
        assert PROXIES.of_grpc(f"ipv4:{BALANCER}:4711", said) == BALANCER

    def test_a_call_over_grpc_from_nowhere_in_particular(self) -> None:
        assert PROXIES.of_grpc("unix:/run/x", [(FORWARDED, CALLER)]) == "unix:/run/x"
        assert Proxies().of_grpc("ipv4:192.0.2.7:4711", [(FORWARDED, VICTIM)]) == CALLER

    def test_a_stream_of_a_browser(self) -> None:
        assert PROXIES.of_web(BALANCER, [VICTIM, CALLER]) == CALLER
        assert PROXIES.of_web(STRANGER, [VICTIM]) == STRANGER
        assert PROXIES.of_web(BALANCER, ["2001:db8:1:2:3::4"]) == "2001:db8:1:2::/64"

    def test_callers_over_ipv4_on_a_socket_for_both_kinds_are_not_all_one(self) -> None:
        # They were: each is called ::ffff:192.0.2.7 there, and all of those are in one network of 64 bits.
        assert network("::ffff:192.0.2.7") == "192.0.2.7"
        assert PROXIES.of_web(f"::ffff:{BALANCER}", [f"::ffff:{CALLER}"]) == CALLER

    @pytest.mark.parametrize(
        ("connection", "seen"), [((BALANCER, 4711), (CALLER, 0)), ((STRANGER, 4711), (STRANGER, 4711)), (None, None)]
    )
    async def test_a_request_of_a_browser(self, connection: tuple[str, int] | None, seen: object) -> None:
        scopes = []

        async def page(scope: Scope, _receive: Receive, _send: Send) -> None:
            scopes.append(scope)

        async def receive() -> dict[str, object]:
            return {}

        async def send(_message: object) -> None: ...

        headers = [(b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-for", b"\xff, 192.0.2.7"), (b"host", b"x")]
        asked = {"type": "http", "client": connection, "headers": headers}
        await Forwarded(page, proxies=PROXIES)(asked, receive, send)

        assert [scope["client"] for scope in scopes] == [seen]
        assert asked["client"] == connection
