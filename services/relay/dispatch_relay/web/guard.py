"""Who may open a WebSocket: decided from the head of the request, before anything of it is believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from enum import StrEnum

from dispatch.runtime.origins import Origins, host_of


class Turned(StrEnum):
    """Why a WebSocket was not opened: a metric label each."""

    HOST = "host"
    ORIGIN = "origin"
    PATH = "path"
    FULL = "full"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return {Turned.HOST: 421, Turned.ORIGIN: 403, Turned.PATH: 404, Turned.FULL: 503}[self]


def judge(
    path: str, headers: Mapping[str, Sequence[str]], *, names: Set[str], paths: Set[str], origins: Origins
) -> Turned | None:
    """Decide whether a request may become a stream; None means yes. Header names are in lower case, with all their values.

    `names` are the hosts by which the relay may be called. A page that made its own name point here calls it by that one.
    """
    hosts, pages = headers.get("host", ()), headers.get("origin", ())
    if len(hosts) != 1 or host_of(hosts[0]) not in names:
        return Turned.HOST
    if len(pages) > 1 or not all(origins.allow(one) for one in pages):
        return Turned.ORIGIN
    return None if path in paths else Turned.PATH
