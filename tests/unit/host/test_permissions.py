"""What a permission covers, and what is left of it when it is narrowed, over, or taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatch.clock import SystemClock
from dispatch.ids import TaskId
from dispatch_host.journal import Tx, Writer, audit, permissions
from dispatch_host.journal.values import AlwaysRule, AuditLine, AuditVerdict
from dispatch_host.permissions.gate import TaskGate
from dispatch_host.permissions.held import Held
from dispatch_host.permissions.permission import NETWORK, TERMINAL, UNCONFINED, Grant, Kind, Permission, granted

TASK, OTHER = TaskId(b"t" * 16), TaskId(b"o" * 16)


def folder(path: str, *, write: bool = False) -> Permission:
    return Permission(Kind.FOLDER, path, write)


def connector(name: str) -> Permission:
    return Permission(Kind.CONNECTOR, name)


@pytest.mark.parametrize(
    ("given", "wanted", "covered"),
    [
        (folder("/a"), folder("/a"), True),
        (folder("/a"), folder("/a/b"), True),
        (folder("/a"), folder("/ab"), False),
        (folder("/a"), folder("/a/../b"), False),
        (folder("/a/b"), folder("/a"), False),
        (folder("/a"), folder("/a", write=True), False),
        (folder("/a", write=True), folder("/a"), True),
        (connector("mail"), connector("mail"), True),
        (connector("mail"), connector("mail/send"), True),
        (connector("mail/send"), connector("mail/send"), True),
        (connector("mail/send"), connector("mail"), False),
        (connector("mail"), connector("mailbox/send"), False),
        (TERMINAL, TERMINAL, True),
        (UNCONFINED, TERMINAL, True),
        (TERMINAL, UNCONFINED, False),
        (TERMINAL, Permission(Kind.BROWSER), False),
    ],
)
def test_what_a_permission_covers(given: Permission, wanted: Permission, covered: bool) -> None:
    assert given.covers(wanted) is covered


@pytest.mark.parametrize(
    ("kind", "name", "write"),
    [(Kind.FOLDER, "", False), (Kind.TERMINAL, "x", False), (Kind.CONNECTOR, "mail", True)],
)
def test_what_is_no_permission_can_not_be_made(kind: Kind, name: str, write: bool) -> None:
    with pytest.raises(ValueError):
        Permission(kind, name, write)


def test_of_folders_in_each_other_the_innermost_has_the_word() -> None:
    outer, inner = Grant(permission=folder("/a", write=True)), Grant(permission=folder("/a/ro"))

    assert granted([outer, inner], folder("/a/b", write=True), now_ms=0) == outer
    assert granted([outer, inner], folder("/a/ro/b", write=True), now_ms=0) is None
    assert granted([outer, inner], folder("/a/ro/b"), now_ms=0) == inner


def test_the_network_is_nothing_without_the_terminal() -> None:
    network, terminal = Grant(permission=NETWORK), Grant(permission=TERMINAL, ends_at_ms=10)

    assert granted([network], NETWORK, now_ms=0) is None
    assert granted([network, terminal], NETWORK, now_ms=9) == network
    assert granted([network, terminal], NETWORK, now_ms=10) is None


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "journal.db")
    writer.open()
    yield writer
    writer.close()


def rule(permission: Permission) -> AlwaysRule:
    words = f"use {permission.words}"
    return AlwaysRule(rule=words, digest=words.encode(), stands_on=frozenset({permission}), by="pocket", at_ms=1)


async def test_no_rule_outlives_the_permission_under_it(journal: Writer) -> None:
    """Taken back, over, or narrowed: given again, nothing of it comes back."""
    writing, reading = Grant(permission=folder("/a", write=True)), Grant(permission=folder("/a"))
    timed = Grant(permission=TERMINAL, ends_at_ms=100)

    def fill(tx: Tx) -> None:
        for grant in (writing, timed):
            permissions.allow(tx, grant, 0)
        for permission in (folder("/a/b", write=True), folder("/a"), TERMINAL):
            permissions.add_rule(tx, rule(permission), 0)

    await journal.step(fill)

    async def left(now_ms: int) -> list[Permission]:
        return await journal.step(lambda tx: [one for rule in permissions.rules(tx, now_ms) for one in rule.stands_on])

    assert await left(99) == [folder("/a"), folder("/a/b", write=True), TERMINAL]
    assert await left(100) == [folder("/a"), folder("/a/b", write=True)]
    await journal.step(lambda tx: permissions.allow(tx, reading, 50))
    await journal.step(lambda tx: permissions.allow(tx, writing, 50))
    assert await left(50) == [folder("/a"), TERMINAL]
    assert await journal.step(lambda tx: permissions.revoke(tx, Kind.FOLDER, "/a", 50))
    assert not await journal.step(lambda tx: permissions.revoke(tx, Kind.FOLDER, "/a", 50))
    await journal.step(lambda tx: permissions.drop_over(tx, 100))
    await journal.step(lambda tx: permissions.allow(tx, Grant(permission=TERMINAL), 100))
    assert await left(100) == []


async def test_a_gate_that_is_closed_allows_nothing_and_names_nothing(journal: Writer) -> None:
    """What it names is started, a connector for instance: for a task that is over nothing is."""
    held = await Held(journal, SystemClock()).load()
    for permission in (folder("/a"), connector("mail")):
        await held.allow(Grant(permission=permission))
    gate = TaskGate(TASK, held=held, store=journal.step, clock=SystemClock())
    assert (list(gate.named(Kind.CONNECTOR)), [str(one.path) for one in gate.folders]) == (["mail"], ["/a"])

    gate.close()

    assert (list(gate.named(Kind.CONNECTOR)), list(gate.folders), gate.has(connector("mail"))) == ([], [], False)


async def test_what_a_task_does_again_and_again_is_one_line_with_how_often_and_when_last(journal: Writer) -> None:
    def line(at_ms: int, subject: str, task: TaskId = TASK) -> AuditLine:
        return AuditLine(
            at_ms=at_ms, task_id=task, permission="folder /a", subject=subject, verdict=AuditVerdict.ALLOWED
        )

    def flood(tx: Tx) -> None:
        audit.add(tx, line(1, "rm", OTHER))
        for at_ms in range(2, 302):
            audit.add(tx, line(at_ms, ("read", "list")[at_ms % 2]), most=100)

    await journal.step(flood)

    every = await journal.step(lambda tx: [one for _, one in audit.before(tx, None, limit=9)])
    assert [(one.subject, one.at_ms, one.times, one.last_ms) for one in every] == [
        ("list", 3, 150, 301),
        ("read", 2, 150, 300),
        ("rm", 1, 1, 1),
    ]


async def test_no_task_pushes_out_what_it_did_nor_what_others_did(journal: Writer) -> None:
    def line(task: TaskId, subject: str, verdict: AuditVerdict, at_ms: int = 1) -> AuditLine:
        return AuditLine(at_ms=at_ms, task_id=task, permission="folder /a", subject=subject, verdict=verdict)

    def flood(tx: Tx) -> None:
        audit.add(tx, line(OTHER, "rm", AuditVerdict.ALLOWED))
        audit.add(tx, line(TASK, "mine", AuditVerdict.ALLOWED))
        for verdict in (AuditVerdict.ALLOWED, AuditVerdict.REFUSED):
            for number in range(300):
                audit.add(tx, line(TASK, str(number), verdict, number), most=100, of_task=10)
        audit.add(tx, line(TASK, "mine", AuditVerdict.ALLOWED), most=100, of_task=10)

    await journal.step(flood)

    kept = await journal.step(lambda tx: [one for _, one in audit.before(tx, None, limit=200)])
    assert [(one.permission, one.times, one.last_ms) for one in kept if one.permission == audit.MORE] == [
        (audit.MORE, 290, 299),
        (audit.MORE, 291, 299),
    ]
    assert [one.subject for one in kept if one.permission != audit.MORE] == [
        *(str(number) for number in range(9, -1, -1)),
        *(str(number) for number in range(8, -1, -1)),
        "mine",
        "rm",
    ]


async def test_the_oldest_lines_of_the_audit_log_go_first(journal: Writer) -> None:
    def line(number: int) -> AuditLine:
        return AuditLine(
            at_ms=number,
            task_id=TASK,
            permission="terminal",
            subject=f"\udcff{number}" + "x" * 2000,
            verdict=AuditVerdict.ALLOWED,
        )

    def fill(tx: Tx) -> None:
        for number in range(105):
            audit.add(tx, line(number), most=100)

    await journal.step(fill)

    newest = await journal.step(lambda tx: list(audit.before(tx, None, limit=2)))
    assert [one.at_ms for _, one in newest] == [104, 103]
    assert newest[0][1].subject.startswith("?")
    assert len(newest[0][1].subject) == audit.SUBJECT_CHARACTERS
    every = await journal.step(lambda tx: list(audit.before(tx, None, limit=200)))
    assert len(every) == 100
    assert await journal.step(lambda tx: list(audit.before(tx, None, limit=2, task_id=b"other"))) == []
