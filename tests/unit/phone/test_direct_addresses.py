"""Where a phone dials directly, and where a host listens: on private networks alone."""

from __future__ import annotations

from ipaddress import ip_address

from dispatch_host.direct import addresses
from mobile_sim.direct import MOST_ADDRESSES, usable


def test_only_addresses_of_a_private_network_are_dialled() -> None:
    said = [
        "192.168.1.7:40123",
        "8.8.8.8:53",
        "desk.example:80",
        "[fd00::7]:40123",
        "nonsense",
        "127.0.0.1:9",
        "10.0.0.1",
    ]

    assert usable(said) == ["192.168.1.7:40123", "[fd00::7]:40123", "127.0.0.1:9"]


def test_a_host_does_not_have_the_phone_dial_for_ever() -> None:
    assert len(usable([f"10.0.0.{n}:1" for n in range(1, 100)])) == MOST_ADDRESSES


def test_a_host_listens_on_private_addresses_alone() -> None:
    for found in addresses.private():
        assert ip_address(found).is_private
        assert not ip_address(found).is_loopback
