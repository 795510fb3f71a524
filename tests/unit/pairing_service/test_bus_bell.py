"""The bell on a bus outlasts what goes wrong with certificates. With a real bus: `tests/scale/test_pairing_together.py`."""

from __future__ import annotations

from pathlib import Path

from dispatch.address import Address
from dispatch.runtime.bus import BusOptions
from dispatch_pairing.bus_bell import BusBell
from structlog.testing import capture_logs

from tests.support.certificates import Certificates
from tests.support.waiting import until


async def test_certificates_that_are_being_replaced_do_not_end_it(tmp_path: Path) -> None:
    authority = Certificates(tmp_path)
    bell = BusBell(BusOptions(servers=(Address.parse("127.0.0.1:1"),), tls=True, ca=authority.file))

    with capture_logs() as lines:
        async with bell.on():
            authority.file.write_text("half of it")
            await until(lambda: any(line["event"] == "bus not heard" for line in lines))
            assert bell.is_away()
            authority.file.write_text(authority.pem)

    assert {line["kind"] for line in lines if line["event"] == "bus not heard"} == {"ValueError"}
