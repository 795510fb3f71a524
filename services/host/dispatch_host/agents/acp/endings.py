"""How a task with an external agent ends, in words for a person. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from acp import RequestError
from acp.schema import StopReason

from dispatch_host.agents.acp.plain import line, plain
from dispatch_host.agents.acp.presets import Preset
from dispatch_host.agents.agent import NotDone, NotDoneReason, Result
from dispatch_host.agents.asking import JSON
from dispatch_host.markdown import fenced
from dispatch_host.sandbox.program import Exit

_COMPLAINT_BYTES = 4096
_WAYS = 10
_STOPPED: Mapping[StopReason, str] = {
    "max_tokens": "stopped: it used as many tokens as one answer may have",
    "max_turn_requests": "stopped: it used as many requests as one task may have",
    "refusal": "refused to go on",
    "cancelled": "broke off",
}
# The first that holds is why it did not go on.
_REFUSED = {
    NotDoneReason.NOBODY_ANSWERED: "asked, nobody answered, and it did not go on.",
    NotDoneReason.PERSON_DENIED: "did not go on after a no.",
}


def ended(
    title: str, stopped: StopReason, said: str, refusals: Collection[NotDoneReason], memory: Mapping[str, JSON]
) -> Result | NotDone:
    """Tell how a turn ended. `refusals` are what a person said no to, or nobody said anything to."""
    if stopped == "end_turn":
        return Result(said or f"{title} is done, and said nothing.", memory)
    if stopped in ("cancelled", "refusal"):
        for reason, words in _REFUSED.items():
            if reason in refusals:
                return NotDone(reason, _with(f"{title} {words}", said), memory)
    return NotDone(NotDoneReason.AGENT_FAILED, _with(f"{title} {_STOPPED[stopped]}.", said), memory)


def log_in(preset: Preset, ways: Sequence[str], refused: RequestError) -> str:
    """Say which login is missing, and what to do. `ways` are those that the agent offers."""
    texts = [f"{preset.title} needs a login on the computer that runs the host: {said(refused)}"]
    if ways:
        texts.append("It offers:\n\n" + "\n".join(f"- {line(way)}" for way in ways[:_WAYS]))
    how = f"`{preset.log_in}`" if preset.log_in else "it"
    names = ", ".join(f"`{name}`" for name in preset.variables)
    variables = f"; or set what it needs of {names} where the host is started." if names else "."
    texts.append(f"Start {how} there once, and log in{variables}")
    return "\n\n".join(texts)


def lost(title: str, end: Exit | None, complaint: bytes) -> str:
    """Say how a program ended by itself, with the last that it complained about. No end is known of one that goes on."""
    how = ""
    if end is not None:
        how = f" ({end.ended}{'' if end.code is None else f', code {end.code}'})"
    text = f"{title} ended before it was done{how}."
    words = plain(complaint.decode("utf-8", "replace").strip(), _COMPLAINT_BYTES)
    return f"{text} The last that it complained about:\n\n{fenced(words)}" if words else text


def nonsense(title: str, why: str) -> str:
    """Say that it was ended for what it sent."""
    return f"{title} was ended: {why}, which is not the Agent Client Protocol."


def said(refused: RequestError) -> str:
    """Give an error of the agent's as a sentence."""
    details = refused.data.get("details") if isinstance(refused.data, dict) else None
    text = f"{refused}: {details}" if isinstance(details, str) else str(refused)
    return line(text, 1000).rstrip(".") + "."


def _with(text: str, said: str) -> str:
    return f"{text}\n\n{said}" if said else text
