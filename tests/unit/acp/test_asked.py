"""What a tool call becomes as a question, and what an answer becomes as an option. Pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from acp.schema import PermissionOption
from dispatch_host.agents import Allowed, Denied, NobodyAnswered, Reach
from dispatch_host.agents.acp.asked import Reply, answer, approved, question
from dispatch_host.agents.asking import Approval
from dispatch_host.permissions.permission import TERMINAL, Kind, Permission
from dispatch_host.scope import Folder

HOME = Path("/home/ann")
CODE, LOOK = Folder(HOME / "code", writable=True), Folder(HOME / "look")
KINDS = ("allow_once", "allow_always", "reject_once", "reject_always")


def offered(*kinds: str) -> list[PermissionOption]:
    return [PermissionOption.model_validate({"optionId": kind, "name": f"say {kind}", "kind": kind}) for kind in kinds]


def asked(*kinds: str, **call: Any) -> Approval:
    return question(call, offered(*(kinds or KINDS)), agent="Scripty", folders=[CODE, LOOK], home=HOME)


def edit(*paths: str, **more: Any) -> Approval:
    content = [{"type": "diff", "path": path, "oldText": "one\n", "newText": "two\n"} for path in paths]
    return asked(kind="edit", title="Edit", content=content, **more)


def test_the_action_is_the_whole_call_and_another_call_is_another_action() -> None:
    call = {"kind": "execute", "title": "make", "rawInput": {"command": "make"}, "toolCallId": "7", "status": "pending"}

    one = asked(**call)

    assert json.loads(one.action) == {
        "agent": "Scripty",
        "call": {"kind": "execute", "title": "make", "rawInput": {"command": "make"}},
    }
    assert asked(**{**call, "toolCallId": "8"}).digest == one.digest
    assert asked(**{**call, "rawInput": {"command": "make  "}}).digest != one.digest


def test_the_preview_shows_all_of_it_and_what_a_yes_is_given_as() -> None:
    shown = edit("/home/ann/code/a", rawInput={"why": "`````"}, locations=[{"path": "/home/ann/code/a"}]).preview

    for part in ("Edit", "/home/ann/code/a", "-one", "+two", '"why": "`````"', "``````", "`say allow_once`"):
        assert part in shown


@pytest.mark.parametrize(
    ("paths", "rule", "permission"),
    [
        (
            ["/home/ann/code/a", "/home/ann/code/b"],
            "let Scripty change files in ~/code",
            Permission(Kind.FOLDER, str(CODE.path), write=True),
        ),
        *(
            (paths, "let Scripty do exactly this: ", TERMINAL)
            for paths in (
                ["/home/ann/look/a"],  # only to be read
                ["/home/ann/code/a", "/home/ann/look/b"],
                ["/home/ann/code/../keys"],
                ["/etc/passwd"],
                [],
            )
        ),
    ],
)
def test_a_rule_for_changes_is_one_folders_or_it_is_the_exact_call(
    paths: list[str], rule: str, permission: Permission
) -> None:
    written = edit(*paths)

    assert written.rule.startswith(rule)
    assert written.permission == permission


@pytest.mark.parametrize(("kind", "words"), [("edit", "change"), ("delete", "delete"), ("move", "move")])
def test_a_rule_says_in_which_way_files_are_changed_and_is_for_no_other(kind: str, words: str) -> None:
    call = {"title": "x", "locations": [{"path": "/home/ann/code/a"}]}

    rules = {other: asked(kind=other, **call) for other in ("edit", "delete", "move")}

    assert rules[kind].rule == f"let Scripty {words} files in ~/code"
    assert [one for one, asking in rules.items() if asking.rule_digest == rules[kind].rule_digest] == [kind]


@pytest.mark.parametrize("kind", ["delete", "move", "other", "read"])
def test_a_difference_in_a_call_that_is_no_edit_has_no_rule_but_its_own_and_a_yes_to_it_writes_nothing(
    kind: str,
) -> None:
    content = [{"type": "diff", "path": "/home/ann/code/a", "oldText": "one\n", "newText": "two\n"}]
    call = {"kind": kind, "title": "x", "content": content}

    assert asked(**call).rule.startswith("let Scripty do exactly this: ")
    assert approved(call) == []
    assert approved({**call, "kind": "edit"}) == [("/home/ann/code/a", "one\n", "two\n")]


def test_what_is_too_long_to_be_read_as_a_rule_has_none() -> None:
    assert asked(kind="execute", title="x", rawInput={"command": "x" * 2000}).rule == ""
    assert asked(kind="execute", title="x", rawInput={"command": "a b"}).rule.endswith(
        '{"agent":"Scripty","call":{"kind":"execute","rawInput":{"command":"a b"},"title":"x"}}'
    )


@pytest.mark.parametrize(
    ("reply", "kinds", "given"),
    [
        (Allowed(Reach.ONCE, ""), KINDS, "allow_once"),
        (Allowed(Reach.TASK, ""), KINDS, "allow_once"),
        (Allowed(Reach.ALWAYS, ""), KINDS, "allow_once"),
        (Allowed(Reach.ONCE, ""), ("allow_always", "reject_once"), None),
        (Allowed(Reach.TASK, ""), ("allow_always", "reject_once"), "allow_always"),
        (Denied(""), KINDS, "reject_once"),
        (Denied(""), ("allow_once", "reject_always"), "reject_always"),
        (Denied(""), ("allow_once",), None),
        (NobodyAnswered(), KINDS, None),
        (Allowed(Reach.ONCE, ""), (), None),
    ],
)
def test_no_option_says_more_than_the_person_did(reply: Reply, kinds: tuple[str, ...], given: str | None) -> None:
    outcome = answer(reply, offered(*kinds)).outcome

    assert getattr(outcome, "option_id", None) == given
    assert outcome.outcome == ("cancelled" if given is None else "selected")


def test_silence_is_told_as_silence() -> None:
    assert answer(NobodyAnswered(), offered(*KINDS)).field_meta == {"dispatch": {"reason": "NOBODY_ANSWERED"}}
    assert answer(Denied(""), []).field_meta is None


def test_a_call_of_any_content_can_be_shown() -> None:
    shown = asked(
        title="\x1b[31m*bold* `x`\ud800".encode("utf-8", "replace").decode(),
        rawInput={"a\ud800": ["\x07", {"b": None}], "c": 1e308},
        content=[
            {"type": "terminal", "terminalId": "t"},
            {"type": "content", "content": {"type": "text", "text": "```"}},
        ],
    )

    assert shown.preview.encode()
    assert "\x1b" not in shown.preview
