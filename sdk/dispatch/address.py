"""Addresses as people write them, and the rule on plaintext. Called by everything that listens or dials."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_FORM = re.compile(r"\A(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT` or `[::1]:PORT`. Raises ValueError with a sentence for people."""
        found = _FORM.match(text)
        if found is None or int(found["port"]) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:7301")
        return cls(host=found["six"] or found["host"], port=int(found["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can be meant."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def refuse_plaintext(address: Address, *, allowed: bool) -> None:
    """Raise ValueError when an address off loopback would be spoken to in the clear without the operator's word.

    `allowed` is DISPATCH_PLAINTEXT=1, for networks that carry nothing else (compose's own).
    """
    if not (allowed or address.is_loopback):
        raise ValueError(
            f"{address} is not on this computer, and there is no TLS yet: "
            "set DISPATCH_PLAINTEXT=1 only on a network that nobody else is on"
        )
