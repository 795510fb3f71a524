"""What is a skill and what is none: the same as the reference validator says, on a corpus of good and bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_host.skills.shelf import Found, found_in
from skills_ref.validator import validate

GOOD = {
    "plain": "---\nname: plain\ndescription: Does it.\n---\nbody\n",
    "all-keys": "---\nname: all-keys\ndescription: >\n  Folded\n  text.\nlicense: MIT\n"
    "compatibility: Linux\nallowed-tools: Read Bash(git:*)\n"
    "metadata:\n  author: me\n  version: '1.0'\n---\n# Body\n---\nmore\n",
    "quoted": "---\nname: \"quoted\"\ndescription: 'It has: a colon, a # and {braces}'\n---\n",
    "literal": "---\nname: literal\ndescription: |\n  Two\n  lines.\n---\n",
    "comment": "---\n# a comment\nname: comment # and here\ndescription: Does it.\n---\n",
    "größe": "---\nname: größe\ndescription: Does it.\n---\n",
    "技能": "---\nname: 技能\ndescription: Does it.\n---\n",
    "yes": "---\nname: yes\ndescription: 'true'\n---\n",
    "123": "---\nname: 123\ndescription: 456\n---\n",
    "windows": "---\r\nname: windows\r\ndescription: Does it.\r\n---\r\nbody\r\n",
    "long": f"---\nname: long\ndescription: {'x' * 1024}\n---\n",
    "a" * 64: f"---\nname: {'a' * 64}\ndescription: Does it.\n---\n",
    "dashes": "---\nname: dashes\ndescription: has --- inside\n---\n",
    "lower": "skill.md",
}
BAD = {
    "no-front": "# Just text\n",
    "empty": "",
    "no-end": "---\nname: no-end\ndescription: Does it.\n",
    "bom": "\ufeff---\nname: bom\ndescription: Does it.\n---\n",
    "other-name": "---\nname: another\ndescription: Does it.\n---\n",
    "no-name": "---\ndescription: Does it.\n---\n",
    "no-about": "---\nname: no-about\n---\n",
    "empty-about": "---\nname: empty-about\ndescription: ''\n---\n",
    "blank-about": "---\nname: blank-about\ndescription: '  '\n---\n",
    "list-about": "---\nname: list-about\ndescription:\n  - a\n---\n",
    "too-long": f"---\nname: too-long\ndescription: {'x' * 1025}\n---\n",
    "a" * 65: f"---\nname: {'a' * 65}\ndescription: Does it.\n---\n",
    "Upper": "---\nname: Upper\ndescription: Does it.\n---\n",
    "under_score": "---\nname: under_score\ndescription: Does it.\n---\n",
    "-front": "---\nname: -front\ndescription: Does it.\n---\n",
    "two--dashes": "---\nname: two--dashes\ndescription: Does it.\n---\n",
    "extra": "---\nname: extra\ndescription: Does it.\nversion: 1\n---\n",
    "twice": "---\nname: twice\ndescription: a\ndescription: b\n---\n",
    "anchor": "---\nname: &n anchor\ndescription: *n\n---\n",
    "tag": "---\nname: tag\ndescription: !!str x\n---\n",
    "flow": "---\nname: flow\ndescription: Does it.\nmetadata: {a: b}\n---\n",
    "flow-list": "---\nname: flow-list\ndescription: Does it.\nallowed-tools: [Read, Write]\n---\n",
    "colon": "---\nname: colon\ndescription: use it: like this\n---\n",
    "tab": "---\nname: tab\n\tdescription: Does it.\n---\n",
    "list": "---\n- name\n- description\n---\n",
    "scalar": "---\njust words\n---\n",
    "compat": f"---\nname: compat\ndescription: Does it.\ncompatibility: {'x' * 501}\n---\n",
    "compat-list": "---\nname: compat-list\ndescription: Does it.\ncompatibility:\n  - a\n---\n",
}


def put(shelf: Path, name: str, text: str) -> Path:
    folder = shelf / name
    folder.mkdir()
    if text == "skill.md":
        (folder / "skill.md").write_text(f"---\nname: {name}\ndescription: Does it.\n---\n")
    else:
        (folder / "SKILL.md").write_bytes(text.encode())
    return folder


def only(shelf: Path) -> Found:
    [found] = found_in(shelf)
    return found


@pytest.mark.parametrize(("name", "text"), GOOD.items(), ids=[*GOOD])
def test_a_good_skill_is_one_to_us_and_to_the_reference(tmp_path: Path, name: str, text: str) -> None:
    folder = put(tmp_path, name, text)

    assert validate(folder) == []
    assert only(tmp_path).wrong == ()
    assert only(tmp_path).about


@pytest.mark.parametrize(("name", "text"), BAD.items(), ids=[*BAD])
def test_a_bad_skill_is_none_to_us_and_to_the_reference(tmp_path: Path, name: str, text: str) -> None:
    folder = put(tmp_path, name, text)

    assert validate(folder)
    assert only(tmp_path).wrong


def test_a_folder_without_the_file_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a-file").write_text("")

    assert only(tmp_path).wrong == ["there is no SKILL.md in it"]
    assert validate(tmp_path / "nothing")


def test_what_is_no_utf_8_or_too_large_or_a_link_is_bad(tmp_path: Path) -> None:
    good = GOOD["plain"]
    put(tmp_path, "bytes", "")
    (tmp_path / "bytes" / "SKILL.md").write_bytes(b"---\nname: bytes\ndescription: \xff\n---\n")
    put(tmp_path, "large", f"{good}{'x' * 1024 * 1024}")
    (tmp_path / "linked").mkdir()
    (tmp_path / "outside.md").write_text(good)
    (tmp_path / "linked" / "SKILL.md").symlink_to(tmp_path / "outside.md")
    put(tmp_path, "bomb", "---\na: &a x\nb: &b [*a,*a]\nc: [*b,*b]\n---\n")

    wrong = {found.name: found.wrong[0] for found in found_in(tmp_path)}

    assert wrong["bytes"] == "it is not UTF-8"
    assert wrong["large"] == "it is larger than 1048576 bytes"
    assert wrong["linked"] == "there is no SKILL.md in it"
    assert wrong["bomb"].startswith("its front matter has")
