"""Which answers fit a question, and what an answer means to the agent. Pure; called by admission and by the steps.

docs/questions.md.
"""

from __future__ import annotations

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb

from dispatch_host.agents.asking import Allowed, Approval, Denied, NobodyAnswered, Question, Reach, Said
from dispatch_host.entries import clean

ANSWER_BYTES = 12 * 1024

_REACHES = {
    pb.APPROVAL_ONCE: Reach.ONCE,
    pb.APPROVAL_TASK: Reach.TASK,
    pb.APPROVAL_ALWAYS: Reach.ALWAYS,
}


def fits(question: pb.Question, answer: pb.Answer) -> bool:
    """Tell whether an answer is one of those that the question can have."""
    if question.action_digest:
        known = {pb.APPROVAL_ONCE, pb.APPROVAL_DENY}
        if question.rule:
            known |= {pb.APPROVAL_TASK, pb.APPROVAL_ALWAYS}
        return answer.approval in known and not answer.text
    if answer.approval:
        return False
    if question.choices:
        return answer.text in question.choices
    return bool(answer.text.strip()) and len(answer.text.encode()) <= ANSWER_BYTES


def answered(question_id: bytes, answer: pb.Answer, *, by: str) -> pb.Answered:
    """Write what was said, for the thread."""
    return pb.Answered(question_id=question_id, approval=answer.approval, text=answer.text, by=by)


def unanswered(question_id: bytes, reason: Reason.ValueType) -> pb.Answered:
    """Write that it closed without an answer, and why."""
    return pb.Answered(question_id=question_id, reason=reason)


def heard(closed: pb.Answered) -> Allowed | Denied | Said | NobodyAnswered:
    """Give what the agent hears."""
    if closed.reason:
        return NobodyAnswered()
    if closed.approval in _REACHES:
        return Allowed(_REACHES[closed.approval], closed.by)
    if closed.approval == pb.APPROVAL_DENY:
        return Denied(closed.by)
    return Said(closed.text, closed.by)


def asked(question_id: bytes, question: Question, *, within_ms: int) -> pb.Question:
    """Write a question, for the thread. Its preview may be too long for one event: `entries.question` sees to that."""
    written = pb.Question(
        question_id=question_id,
        text=clean(question.text),
        preview=clean(question.preview),
        answer_within_ms=within_ms,
    )
    if isinstance(question, Approval):
        written.action_digest = question.digest
        written.rule = clean(question.rule)
    else:
        written.choices.extend(clean(choice) for choice in question.choices)
    return written
