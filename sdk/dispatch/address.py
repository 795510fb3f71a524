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


def may_be_plaintext(address: Address, *, allowed: bool) -> bool:
    """Tell whether an address may be spoken to, or listened on, in the clear.

    `allowed` is DISPATCH_PLAINTEXT=1, the operator's word for networks that nobody else is on.
    """
    return allowed or address.is_loopback


def refuse_plaintext(address: Address, *, allowed: bool) -> None:
    """Raise ValueError when an address must not be listened on in the clear: see `may_be_plaintext`."""
    if not may_be_plaintext(address, allowed=allowed):
        raise ValueError(
            f"{address} is not on this computer alone: it needs a certificate (docs/operations.md, TLS); "
            "DISPATCH_PLAINTEXT=1 is only for a network that nobody else is on"
        )
