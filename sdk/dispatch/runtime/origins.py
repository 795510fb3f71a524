"""From which pages a browser may reach a service, and by which names it may call it. Pure; docs/web.md "Origins"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from dispatch.address import Address

_FORM = re.compile(r"\A(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_of(value: str) -> str:
    """Give the host of a Host header, lower case; empty for what is none."""
    for text in (value, f"{value}:0"):
        try:
            return Address.parse(text).host.lower()
        except ValueError:
            continue
    return ""


def same_origin(origin: str, *, scheme: str, host: str) -> bool:
    """Tell whether an Origin is the one that was asked. Over plain HTTP a proxy may have spoken TLS for us."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"{scheme}://{host}")
        ports = [one.port or _DEFAULT_PORTS.get(theirs.scheme) for one in (theirs, ours)]
    except ValueError:
        return False
    if theirs.scheme not in _DEFAULT_PORTS or (scheme == "https" and theirs.scheme != "https"):
        return False
    return theirs.hostname == ours.hostname and ports[0] == ports[1]


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins whose pages may come."""

    listed: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Origins:
        """Read them as an operator wrote them. Raises ValueError with a sentence for the first that is none."""
        return cls(frozenset(_origin(text) for text in texts))

    def allow(self, origin: str) -> bool:
        """Tell whether a page of this origin may come. A browser writes it in one way only, so it is compared as it is."""
        return origin in self.listed


def _origin(text: str) -> str:
    found = _FORM.match(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not an origin as a browser writes it, for example https://phone.example: "
            "a scheme, a host in lower case, a port if need be, and no path"
        )
    scheme, host, port = found["scheme"], found["host"], int(found["port"] or 0)
    if port > 65_535:
        raise ValueError(f"{text!r} has a port that there is not")
    if scheme == "http" and not Address(host=host.strip("[]"), port=port).is_loopback:
        raise ValueError(f"{text!r} is read and changed by whoever is on the way: pages off this computer need https")
    return text if port != _DEFAULT_PORTS[scheme] else f"{scheme}://{host}"
