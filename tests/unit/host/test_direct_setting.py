"""The one setting of the direct path: where a host listens, and what phones are told of it."""

from __future__ import annotations

import pytest
from dispatch.address import Address
from dispatch_host.direct.listener import Setting


def test_phones_are_told_a_forwarded_port_in_place_of_where_it_listens() -> None:
    setting = Setting.parse("127.0.0.1:7443", told="192.168.1.5:7000")

    assert setting == Setting(at=(Address(host="127.0.0.1", port=7443),), told=("192.168.1.5:7000",))


def test_a_name_is_refused_as_phones_look_up_none() -> None:
    for text, told in (("desk.local:7443", None), ("on", "desk.local:7443"), ("on", "desk.local")):
        with pytest.raises(ValueError, match=r"number|HOST:PORT"):
            Setting.parse(text, told=told)


def test_switched_off_nothing_is_told() -> None:
    assert Setting.parse("off", told="192.168.1.5:7000") is None
