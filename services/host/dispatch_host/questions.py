"""What becomes of a question in one transaction each: asked, answered, out of time; and of words for a running task.

As in `steps`: state, events and sealed rows are on the disk together or not at all. Exactly one `Answered` closes a question,
whoever is first; the one who asked reads here what it was. Called through `Journal.step`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device import question_words

from dispatch_host import answers, entries, in_line
from dispatch_host.agents.asking import Allowed, Denied, NobodyAnswered, Reach, Said
from dispatch_host.journal import audit, permissions, questions, tasks
from dispatch_host.journal.values import AlwaysRule, AuditLine, AuditVerdict, StoredQuestion, StoredTask
from dispatch_host.journal.writer import Tx
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import OPEN, QUEUED, Event, State

Heard = Allowed | Denied | Said | NobodyAnswered


def ask(tx: Tx, scribe: Scribe, task: StoredTask, question: StoredQuestion) -> bool:
    """Ask; False when the task is over already."""
    known = tasks.find(tx, task.task_id)
    if known is None or known.state is not State.RUNNING:
        return False
    tasks.step(tx, task.task_id, Event.ASK)
    questions.add(tx, question)
    scribe.tell(tx, task, entries.question(task.task_id, pb.Question.FromString(question.content)))
    in_line.asks_or_works_on(tx, scribe)
    return True


def heard(tx: Tx, question_id: bytes) -> Heard | None:
    """Give what came of a question; None while it is open."""
    found = questions.find(tx, question_id)
    if found is None:
        return NobodyAnswered()
    return None if found.answered is None else answers.heard(pb.Answered.FromString(found.answered))


def answer(tx: Tx, scribe: Scribe, task: StoredTask, said: pb.Answer, *, by: str) -> bool:
    """Take an answer; False when the question is not open: somebody was first, or its time is over."""
    question = _open(tx, task, said.question_id)
    if question is None or not answers.fits(pb.Question.FromString(question.content), said):
        return False
    _close(tx, scribe, task, question, answers.answered(question.question_id, said, by=by))
    return True


def answer_here(tx: Tx, scribe: Scribe, task_id: bytes, said: pb.Answer, *, by: str) -> int:
    """Take an answer that was given on this computer; gives the task's thread.

    Raises TaskUnknown, TaskOver, QuestionClosed or BadRequest.
    """
    task = tasks.open_task(tx, task_id)
    question = _open(tx, task, said.question_id)
    if question is None:
        raise errors.QuestionClosed
    if not answer(tx, scribe, task, said, by=by):
        possible = question_words.possible(pb.Question.FromString(question.content))
        raise errors.BadRequest(f"the answer is {possible}", metadata={"field": "answer"})
    return task.thread


def give_up(
    tx: Tx,
    scribe: Scribe,
    task: StoredTask,
    question_id: bytes,
    reason: Reason.ValueType = errors.NobodyAnswered.reason,
) -> Heard:
    """Close a question that nobody answered in time; gives what counts, for somebody may just have answered it."""
    question = _open(tx, task, question_id)
    if question is not None:
        _close(tx, scribe, task, question, answers.unanswered(question_id, reason))
    return heard(tx, question_id) or NobodyAnswered()


def close_all(tx: Tx, task: StoredTask, reason: Reason.ValueType, *, at_ms: int) -> list[entries.Entry]:
    """Close what is open of a task that ends; gives the events that say so, which stand before its end."""
    written = []
    for question in questions.open_of(tx, task.task_id):
        closed = answers.unanswered(question.question_id, reason)
        _note(tx, question, closed, at_ms=at_ms)
        written.append(entries.answered(task.task_id, closed))
    late = [
        entries.steer_refused(task.task_id, text, errors.TaskOver.reason)
        for text in questions.take_words(tx, task.task_id)
    ]
    questions.forget(tx, task.task_id)
    return [*written, *late]


def steer(tx: Tx, scribe: Scribe, task: StoredTask, text: str) -> bool:
    """Keep words for a task that runs; False when they come too late, which is said."""
    if task.state in OPEN - QUEUED:
        questions.add_words(tx, task.task_id, text)
        return True
    scribe.tell(tx, task, [entries.steer_refused(task.task_id, text, errors.TaskOver.reason)])
    return False


def hand_words(tx: Tx, scribe: Scribe, task: StoredTask) -> Sequence[str]:
    """Take the words that the agent gets now, and say so."""
    known = tasks.find(tx, task.task_id)
    if known is None or known.state not in OPEN - QUEUED:
        return ()
    texts = questions.take_words(tx, task.task_id)
    scribe.tell(tx, task, [entries.steered(task.task_id, text) for text in texts])
    return texts


def _open(tx: Tx, task: StoredTask, question_id: bytes) -> StoredQuestion | None:
    found = questions.find(tx, question_id)
    return found if found is not None and found.answered is None and found.task_id == task.task_id else None


def _close(tx: Tx, scribe: Scribe, task: StoredTask, question: StoredQuestion, closed: pb.Answered) -> None:
    now_ms = scribe.clock.wall_ms()
    questions.close(tx, question.question_id, closed.SerializeToString())
    _note(tx, question, closed, at_ms=now_ms)
    reply = answers.heard(closed)
    if reply == Allowed(Reach.ALWAYS, closed.by):
        rule = AlwaysRule(
            rule=pb.Question.FromString(question.content).rule,
            digest=question.rule_digest,
            stands_on=question.stands_on,
            by=closed.by,
            at_ms=now_ms,
        )
        permissions.add_rule(tx, rule, now_ms)
    tasks.step(tx, task.task_id, Event.ANSWERED)
    scribe.tell(tx, task, [entries.answered(task.task_id, closed)])
    in_line.asks_or_works_on(tx, scribe)


_SHOWN_BYTES = 8
"""Of an action's digest in the audit log: enough to find it in the thread."""
_VERDICTS = {Allowed: AuditVerdict.APPROVED, Denied: AuditVerdict.DENIED, NobodyAnswered: AuditVerdict.UNANSWERED}


def _note(tx: Tx, question: StoredQuestion, closed: pb.Answered, *, at_ms: int) -> None:
    """Write what came of an approval into the audit log. A choice permits nothing."""
    asked = pb.Question.FromString(question.content)
    if not asked.action_digest:
        return
    line = AuditLine(
        at_ms=at_ms,
        task_id=question.task_id,
        permission=asked.rule or ", ".join(sorted(one.words for one in question.stands_on)) or "once, without a rule",
        subject=f"{asked.text} (action {asked.action_digest[:_SHOWN_BYTES].hex()})",
        verdict=_VERDICTS[type(answers.heard(closed))],
        by=closed.by,
    )
    audit.add(tx, line)
