"""Says what a thread proves, and what of it is lost."""

from __future__ import annotations

from collections.abc import Iterator

from dispatch.plain import plain
from dispatch.words import Words

from mobile_sim.saying.said import Event, Said, Says, line


def _verified(event: Event, _: Words) -> Iterator[Said]:
    lost = f", {event['lost']} of which nobody has any more" if event["lost"] else ""
    yield line(f"✓ Every hash, link and signature fits: {event['events']} events{lost}.", fg="green")


def _wrong(event: Event, _: Words) -> Iterator[Said]:
    named = f" ({event['id']})" if event["id"] else ""
    yield line(f"✗ Wrong at event {event['number']}{named}: {event['text']}", fg="red")


def _exported(event: Event, _: Words) -> Iterator[Said]:
    yield line(f"Written to {plain(event['file'])}: {event['events']} events, with what proves them.")


def _lost(event: Event, words: Words) -> Iterator[Said]:
    yield line(f"— {words.line('lost', number=str(event['number']))} —", dim=True)


def _restored(_: Event, words: Words) -> Iterator[Said]:
    yield line(f"— {words.line('restored')} —", dim=True)


def _unknown(event: Event, _: Words) -> Iterator[Said]:
    yield line(f"{event['text']} {event['advice']}")


SAYS: Says = {
    "verified": _verified,
    "wrong": _wrong,
    "exported": _exported,
    "lost": _lost,
    "restored": _restored,
    "unknown": _unknown,
}
"""What is said of an event, by its name."""
