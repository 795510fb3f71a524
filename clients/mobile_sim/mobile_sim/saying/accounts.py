"""Says what became of signing in and out."""

from __future__ import annotations

from collections.abc import Iterator

from dispatch.plain import one_line, plain
from dispatch.words import Words

from mobile_sim.saying.phrases import hour
from mobile_sim.saying.said import Event, Said, Says, line


def _signed_in(event: Event, words: Words) -> Iterator[Said]:
    named = {name: plain(event[name]) for name in ("service", "account", "device")}
    yield line(words.window("signed_in", **named))


def _enter_code(event: Event, words: Words) -> Iterator[Said]:
    code = one_line(event["code"], 64)
    until = hour(event["expires_at"])
    url, complete = one_line(event["url"], 512), one_line(event["url_complete"], 512)
    yield line(words.window("enter_code", url=url, code=code, hour=until), strong=code)
    if complete:
        yield line(words.window("enter_no_code", url=complete))


def _signed_up(event: Event, words: Words) -> Iterator[Said]:
    yield line(words.window("signed_up", account=plain(event["account"])))


def _signed_out(event: Event, words: Words) -> Iterator[Said]:
    key = "signed_out_everywhere" if event["everywhere"] else "signed_out"
    yield line(words.window(key, account=plain(event["account"])))


def _password_changed(event: Event, words: Words) -> Iterator[Said]:
    yield line(words.window("password_changed", account=plain(event["account"])))


SAYS: Says = {
    "signed_in": _signed_in,
    "enter_code": _enter_code,
    "signed_up": _signed_up,
    "signed_out": _signed_out,
    "password_changed": _password_changed,
}
"""What is said of an event, by its name."""
