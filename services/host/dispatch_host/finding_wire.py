"""What the doctor finds, over the control socket."""

from __future__ import annotations

from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.doctor.chain import Finding, Found, State

_STATES = {
    State.OK: pb.LINK_STATE_OK,
    State.WARNING: pb.LINK_STATE_WARNING,
    State.BROKEN: pb.LINK_STATE_BROKEN,
    State.NOT_REACHED: pb.LINK_STATE_NOT_REACHED,
}


def told(found: Found) -> pb.ExamineResponse:
    """Write a finding for the control socket."""
    finding = found.finding
    return pb.ExamineResponse(
        link=found.link,
        about=found.about,
        state=_STATES[finding.state],
        text=finding.text,
        advice=finding.advice,
        reason=finding.reason,
    )


def heard(response: pb.ExamineResponse) -> Found:
    """Read a finding from the control socket; a state that this version does not know counts as broken."""
    state = next((state for state, value in _STATES.items() if value == response.state), State.BROKEN)
    finding = Finding(state=state, text=response.text, advice=response.advice, reason=response.reason)
    return Found(link=response.link, about=response.about, finding=finding)
