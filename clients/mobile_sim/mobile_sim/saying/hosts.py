"""Says what there is to know of computers: how they are, how they are paired, and when they call."""

from __future__ import annotations

from collections.abc import Iterator

from dispatch.device import awake_words, key_words, permission_words, service_clock
from dispatch.plain import one_line, plain
from dispatch.words import Words, filled

from mobile_sim.saying.lists import asks
from mobile_sim.saying.phrases import CALLS, at_host, beside, day, how_it_is, state_word
from mobile_sim.saying.said import Event, How, Said, Says, line, policy


def _code(event: Event, words: Words) -> Iterator[Said]:
    code = event["code"]
    same = words.window("same_code", peer=one_line(event["peer"], 64))
    yield line(f"{same}  {code}", strong=code)
    yield Said(words.window("same_question"), how=How.ASKED)


def _paired(event: Event, words: Words) -> Iterator[Said]:
    if event.get("number"):
        mark = words.line("paired_again" if event.get("again") else "paired_mark")
        yield line(f"— {mark} —", dim=True)
    else:
        yield line(f"✓ {at_host('paired_with', event, words)}", fg="green")


def _not_paired(event: Event, words: Words) -> Iterator[Said]:
    detail = f" ({one_line(event['detail'], 200)})" if event.get("detail") else ""
    yield line(f"✗ {words.line('not_paired')} {event['text']}{detail}", fg="red")
    yield from policy(event)
    yield line(f"  {event['advice']}")


def _host(event: Event, words: Words) -> Iterator[Said]:
    since = words.line("since", hour=day(event["paired_at"]))
    yield line(f"{one_line(event['host'], 64):<24} {event['state']:<12} {since}")
    yield line(f"  {how_it_is(event, words)}")
    yield from _awake(event, words)


def _unpaired(event: Event, words: Words) -> Iterator[Said]:
    yield line(at_host("unpaired" if event["service_told"] else "unpaired_untold", event, words))


def _notifications(event: Event, words: Words) -> Iterator[Said]:
    key = event["relay_key"]
    called = words.line("called_by", key=key) if key else words.line("called_never")
    yield line(f"{one_line(event['host'], 64):<24} {called}")


def _notifications_set(event: Event, words: Words) -> Iterator[Said]:
    yield line(at_host("called_there" if event["on"] else "called_nowhere", event, words))


def _notification(event: Event, words: Words) -> Iterator[Said]:
    yield line(at_host(CALLS[event["hint"]], event, words))


def _status(event: Event, words: Words) -> Iterator[Said]:
    if event["account"] is None:
        yield line(words.window("signed_in_nowhere"))
    else:
        live = "" if event["signed_in"] else f" ({words.window('no_longer')})"
        named = {name: plain(event[name]) for name in ("device", "account", "server")}
        yield line(filled(words.page["signed_in"], **named) + live)
        yield line(f"keys: {event['key_store']}")
        if warning := key_words.words(event["key_store"]):
            yield line(warning)
        if wrong := service_clock.words(event["clock_off_ms"]):
            yield line(wrong)
    if not event["hosts"]:
        yield line(words.window("no_computer_yet"))
    for host in event["hosts"]:
        yield line(f"{one_line(host['host'], 64)}  {how_it_is(host, words)}")
        yield from _awake(host, words)
        for task in host.get("tasks", []):
            yield line(f"  {state_word(task['state'], words):<16} {one_line(task['text'], 80)}{beside(task, words)}")
            yield line(f"{'':<19}{task['task_id']}", dim=True)
            yield from asks(task, words, indent=" " * 19)


def _link(event: Event, _: Words) -> Iterator[Said]:
    from dispatch.doctor.telling import worded  # noqa: PLC0415 -- one command needs it

    told, style = worded(event)
    yield line(told, **style)


def _doctor(event: Event, _: Words) -> Iterator[Said]:
    from dispatch.doctor.telling import verdict_worded  # noqa: PLC0415 -- as above

    told, style = verdict_worded(event)
    yield line(told, **style)


def _awake(host: Event, words: Words) -> Iterator[Said]:
    """Say whether a host is kept awake, and what its agents may do."""
    if (state := host.get("keep_awake")) is not None:
        yield line(f"  {one_line(awake_words.words_of_told(state, words), 200)}")
    if host.get("permissions") is not None:
        for permitted in permission_words.lines(host, words):
            yield line(f"  {words.window('its_agents', what=permitted)}")


SAYS: Says = {
    "code": _code,
    "paired": _paired,
    "not_paired": _not_paired,
    "host": _host,
    "unpaired": _unpaired,
    "notifications": _notifications,
    "notifications_set": _notifications_set,
    "notification": _notification,
    "status": _status,
    "link": _link,
    "doctor": _doctor,
}
"""What is said of an event, by its name."""
