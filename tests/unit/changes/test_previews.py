"""What a person reads is what is done: nothing in a plan is cut, nothing in it is markup, and no two plans read alike."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dispatch_host.agents.builtin.approvals import approval
from dispatch_host.changes import (
    BadPlan,
    Convert,
    Delete,
    How,
    MakeFolder,
    Move,
    Plan,
    RemoveFolder,
    Rewrite,
    Step,
    Write,
    Zip,
    preview,
)
from dispatch_host.markdown import code, fenced
from dispatch_host.scope import Facts, Folder, exact, shown, visible
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

FACTS = Facts(7, 2, 3)
FOLDERS = [Folder(Path("/in"), writable=True), Folder(Path("/other"), writable=True)]
# What two texts may differ in and look alike, and what Markdown would make something of.
ODD = "ab\\nx2009|` \t\r\n~*_<>[]!&#-⇥␍␃⟦⟧\u202e\u200b\u00a0\u3164\ufe0f\u0301\x1b\udcff→(),:"
WORDS = st.text(st.sampled_from(ODD), max_size=4)
NAMES = st.text(st.sampled_from(ODD), min_size=1, max_size=2).filter(lambda name: name not in (".", ".."))
PATHS = st.builds(
    "/".join, st.tuples(st.sampled_from(("", "/in", "/in/sub", "/other")), NAMES).map(lambda two: (two[0], two[1]))
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(MakeFolder, PATHS),
    st.builds(RemoveFolder, PATHS),
    st.builds(Move, PATHS, PATHS, st.just(FACTS)),
    st.builds(Write, PATHS, WORDS),
    st.builds(Rewrite, PATHS, st.just(FACTS), st.just("a\nb\n\tc"), WORDS),
    st.builds(Delete, PATHS, st.just(FACTS)),
    st.builds(Convert, PATHS, PATHS, st.just(FACTS), st.just(How.COPY), st.just(7)),
    st.builds(
        Convert,
        PATHS,
        PATHS,
        st.just(FACTS),
        st.sampled_from((How.TEXT, How.CSV, How.ENTRY)),
        st.integers(0, 10**7),
        NAMES,
    ),
    st.builds(
        Zip, st.tuples(PATHS), PATHS, PATHS, st.integers(1, 9), st.integers(0, 9), st.integers(0, 10**7), st.just("")
    ),
)
TITLES = st.text(st.sampled_from("ab*`_<![]\\&~ |"), min_size=1, max_size=6).filter(
    lambda title: title == title.strip()
)
PLANS = st.builds(lambda title, steps: Plan(title, tuple(steps)), TITLES, st.lists(STEPS, min_size=1, max_size=4))


@pytest.mark.big
@given(one=PLANS, other=PLANS)
@settings(max_examples=300, deadline=None)
def test_no_two_different_plans_have_one_preview(one: Plan, other: Plan) -> None:
    """But for what tells a file again: its inode, its time, the digest of what is packed."""
    assert (one == other) is (preview(one, FOLDERS) == preview(other, FOLDERS))


@pytest.mark.big
@given(plan=PLANS, step=STEPS, other=STEPS)
@settings(max_examples=300, deadline=None)
def test_no_step_is_shown_as_another(plan: Plan, step: Step, other: Step) -> None:
    first, second = (Plan(plan.title, (*plan.steps, last)) for last in (step, other))

    assert (step == other) is (preview(first, FOLDERS) == preview(second, FOLDERS))


@given(one=WORDS, other=WORDS)
@settings(max_examples=500, deadline=None)
def test_no_two_names_and_no_two_texts_read_alike(one: str, other: str) -> None:
    for write in (exact, code, fenced):
        assert (one == other) is (write(one) == write(other)), write
    for line in (one, other):
        assert not any(sign in visible(line) for sign in "\t\r\u202e\u200b\u00a0\u3164\ufe0f\x1b\udcff")


@given(name=NAMES)
@settings(max_examples=200, deadline=None)
def test_a_name_is_all_of_what_markdown_makes_of_it(name: str) -> None:
    (block,) = MarkdownIt("commonmark").parseInline(code(name))

    assert block.children is not None
    assert [(one.type, one.content) for one in block.children] == [("code_inline", exact(name))]


@pytest.mark.parametrize(
    ("pair", "written"),
    [
        (("a|b", "a\\|b"), ("`a|b`", "`a\\\\|b`")),
        (("a\nb", "a\\nb"), ("`a\\nb`", "`a\\\\nb`")),
        (("a b", "a\u00a0b"), ("`a b`", "`a\\u00a0b`")),
        (("ab", "a\u3164b"), ("`ab`", "`a\\u3164b`")),
        (("a b", "a  b"), ("`a b`", "`a\\x20\\x20b`")),
        (("a", "a "), ("`a`", "`a\\x20`")),
    ],
)
def test_names_that_look_alike_are_told_apart(pair: tuple[str, str], written: tuple[str, str]) -> None:
    assert tuple(map(code, pair)) == written


def test_a_tab_and_what_turns_a_line_around_are_seen_in_a_command_and_in_a_text() -> None:
    assert fenced("rm\t-r  x\u202e") == "```\nrm⇥-r  x⟦U+202E⟧\n```"
    plan = Plan("Write", (Write("/in/a.txt", "a\tb\r\nc\u200bd⇥"),))

    assert "a⇥b␍\nc⟦U+200B⟧d⟦U+21E5⟧" in preview(plan, FOLDERS)


@pytest.mark.parametrize("title", ["", " a", "a\nb", "<!--\u202e", "a\tb", "x" * 4000, "a\n\n- delete nothing"])
def test_a_title_is_one_line_of_text(title: str) -> None:
    with pytest.raises(BadPlan):
        Plan.from_bytes(Plan(title, (MakeFolder("/in/a"),)).to_bytes())


def test_a_title_and_remarks_hide_no_step() -> None:
    """They are the words of a worker, which reads hostile files."""
    plan = Plan("<!-- **nothing** ``` [x](y)", (Delete("/in/a.txt", FACTS),))

    question = approval(plan, "--> \n```\n<!-- \n# In `in`:\n- keep `a.txt`\u202e", FOLDERS)

    html = MarkdownIt("commonmark", {"html": True}).render(question.preview)
    assert "<strong>&lt;!-- **nothing** ``` [x](y)</strong>" in html
    assert "delete <code>a.txt</code>" in html
    before, _, quoted = html.partition("<blockquote>")
    assert "keep" not in before
    assert "keep" in quoted.partition("</blockquote>")[0]
    assert "\u202e" not in question.preview
    assert question.preview.index("delete `a.txt`") < question.preview.index("Remarks, which are no part of this:")


def test_a_text_is_shown_whole_however_long() -> None:
    lines = [f"line {number}" for number in range(9000)]

    whole = preview(Plan("Write", (Write("/in/a.txt", "\n".join(lines)),)), FOLDERS)
    changed = preview(Plan("Edit", (Rewrite("/in/a.txt", FACTS, "", "\n".join(lines)),)), FOLDERS)

    assert all(f"\n{line}\n" in whole for line in lines)
    assert all(f"\n+{line}\n" in changed for line in lines[:-1])


@pytest.mark.timeout(60)
def test_lines_that_come_again_and_again_do_not_keep_the_host_busy() -> None:
    """A search for what both have would go on for hours: it is the host's thread, and nobody could end it."""
    old = "".join(f"{number % 150}\n" for number in range(30_000))
    new = "".join(f"{number % 149}\n" for number in range(30_000))

    written = preview(Plan("Edit", (Rewrite("/in/a.txt", FACTS, old, new),)), FOLDERS)

    assert written.count("\n-") >= 29_000
    assert written.count("\n+") >= 29_000


def test_two_changes_far_apart_are_shown_with_the_lines_around_them() -> None:
    lines = [f"line {number}\n" for number in range(2000)]
    changed = ["first\n", *lines[1:1000], *lines[1001:]]

    written = preview(Plan("Edit", (Rewrite("/in/a.txt", FACTS, "".join(lines), "".join(changed)),)), FOLDERS)

    assert "@@ line 1, then line 1 @@\n-line 0\n+first\n line 1\n line 2\n@@ line 999, then line 999 @@\n" in written
    assert "\n line 999\n-line 1000\n line 1001\n" in written
    assert "line 500\n" not in written


def test_the_order_of_a_long_plan_is_shown_although_it_is_sorted_by_folders() -> None:
    steps = [MakeFolder(f"/{('in', 'other')[number % 2]}/{number}") for number in range(200)]

    one = preview(Plan("Make", tuple(steps)), FOLDERS)
    other = preview(Plan("Make", (*steps[2:], *steps[:2])), FOLDERS)

    assert one != other
    assert "- no. 3: new folder `2`" in one


def test_what_may_be_written_at_most_is_shown() -> None:
    plan = Plan(
        "Unpack",
        (
            Convert("/in/a.zip", "/in/b", FACTS, How.ENTRY, 5, "b", 0, 1),
            Convert("/in/a.pdf", "/in/a.txt", FACTS, How.TEXT, 4_194_304, ".pdf"),
        ),
    )

    written = preview(plan, FOLDERS)

    assert "Writes at most 4.2 MB, 4,194,309 bytes." in written
    assert "new file `b` (5 B): `b` out of `a.zip`" in written
    assert "new file `a.txt` (at most 4.2 MB, 4,194,304 bytes): the text of `a.pdf`" in written


def test_names_of_any_bytes_are_written() -> None:
    assert shown(os.fsdecode(b"\xff")) == r"\xff"
    assert exact(os.fsdecode(b"\xff")) == r"\xff"
    assert exact(r"\xff") == r"\\xff"
