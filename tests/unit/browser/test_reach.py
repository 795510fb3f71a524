"""What the browser may reach, and which addresses are web addresses at all."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from dispatch_host.browser.reach import BadAddress, Reach, checked, origin


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_the_public_internet_is_reached_on_the_ports_of_the_web(address: str) -> None:
    assert [Reach().allows(ip_address(address), port) for port in (80, 443, 8443, 25, 22)] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",  # noqa: S104 -- as something to be refused
            "100.64.0.1",
        ),
        "168.63.129.16",
        *("224.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        # an address of IPv4 written in one of IPv6
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "::127.0.0.1"),
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_no_special_address_is_reached(address: str) -> None:
    assert not Reach().allows(ip_address(address), 80)


def test_a_network_that_the_owner_named_is_reached_on_every_port_and_its_neighbour_is_not() -> None:
    reach = Reach.parse("127.0.0.1/32, 192.168.1.0/24")

    assert reach.allows(ip_address("127.0.0.1"), 25)
    assert reach.allows(ip_address("::ffff:192.168.1.7"), 80)
    assert not reach.allows(ip_address("127.0.0.2"), 80)
    assert not reach.allows(ip_address("192.168.2.1"), 80)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:2800:21f:cb07::5", "::ffff:8.8.8.8"])
def test_the_networks_that_this_computer_is_in_are_not_the_public_internet(address: str) -> None:
    near = [ip_network("8.8.8.0/24"), ip_network("2606:2800:21f:cb07::/64")]

    assert not Reach().allows(ip_address(address), 443, near=near)
    assert Reach().allows(ip_address("8.8.4.4"), 443, near=near)
    assert Reach(near).allows(ip_address(address), 443, near=near)


@pytest.mark.parametrize("text", ["127.0.0.1/33", "localhost", "10.0.0.1/8", "all"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|netmask|host bits"):
        Reach.parse(text)


@pytest.mark.parametrize(
    ("said", "opened"),
    [
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("example.org", "https://example.org"),
        (" http://example.org:8080 ", "http://example.org:8080"),
        ("localhost:8000/x", "https://localhost:8000/x"),
    ],
)
def test_web_addresses_are_opened(said: str, opened: str) -> None:
    assert checked(said) == opened


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "FILE:/etc/passwd",
            "data:text/html,x",
            "javascript:alert(1)",
            "chrome://settings",
            "about:blank",
        ),
        *(
            "view-source:http://x",
            "blob:http://x",
            "ftp://example.org",
            "ws://example.org",
            "http://",
            "https:///x",
            "",
        ),
        *(
            "http://user:word@example.org",
            "http://example.org\\@evil",
            "http://a b",
            "http://x\n",
            "http://x:99999",
            "http://[::1",
        ),
        "http://x/" + "a" * 5000,
    ],
)
def test_nothing_else_is(url: str) -> None:
    if url == "http://x\n":
        assert checked(url) == "http://x"  # what surrounds it is not part of it
        return
    with pytest.raises(BadAddress):
        checked(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://Example.org/secret?token=1#x", "https://example.org"),
        ("https://example.org:443/", "https://example.org"),
        ("http://u:p@example.org:8080/", "http://example.org:8080"),
        ("http://[::1]:80/", "http://[::1]"),
        ("data:text/html,x", ""),
        ("http://[", ""),
    ],
)
def test_an_origin_says_nothing_but_the_site(url: str, said: str) -> None:
    assert origin(url) == said
