"""A real HAProxy with our own configuration, in front of servers on this computer in place of containers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.ports import address_to_come_back_to

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
LISTENERS = ("PAIRING", "RELAY", "PAIRING_WEB", "RELAY_WEB")
_NOWHERE = "127.0.0.1:1"


def program() -> str:
    """Find haproxy. Without one the test is skipped, or fails where servers are required."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if found is not None:
        return found
    why = "HAProxy is not installed: no `haproxy` on the path"
    if os.environ.get("DISPATCH_REQUIRE_SERVERS") == "1":
        pytest.fail(why)
    pytest.skip(why)


@contextlib.contextmanager
def balancing(folder: Path, servers: Mapping[str, str], *, shown: bytes, ca: bytes) -> Iterator[dict[str, str]]:
    """Run it until the block ends; gives its addresses by the name of the listener ("RELAY").

    `servers` are addresses by what the configuration calls them ("relay1:7302"); all others are nowhere.
    """
    (folder / "shown.pem").write_bytes(shown)
    (folder / "ca.pem").write_bytes(ca)
    text = CONFIGURATION.read_text().replace("/certs/", f"{folder}/")
    # Names of containers, and who knows them, are not there.
    text = re.sub(r"^resolvers containers\n( .*\n)+", "", text, flags=re.MULTILINE)
    text = text.replace(" resolvers containers resolve-prefer ipv4 init-addr libc,none", "")
    text = re.sub(
        r"(?<=^    server )(\w+) (\S+)", lambda found: f"{found[1]} {servers.get(found[2], _NOWHERE)}", text, flags=re.M
    )
    (folder / "haproxy.cfg").write_text(text)
    bound = {name: address_to_come_back_to() for name in LISTENERS}
    ports = {f"DISPATCH_{name}_PORT": address.rpartition(":")[2] for name, address in bound.items()}
    with (folder / "haproxy.log").open("wb") as log:
        words = [program(), "-db", "-f", str(folder / "haproxy.cfg")]
        process = subprocess.Popen(words, env={**os.environ, **ports}, stdout=log, stderr=log)
        try:
            yield {name: f"localhost:{address.rpartition(':')[2]}" for name, address in bound.items()}
        finally:
            process.kill()
            process.wait()
