"""Nothing that a stranger wrote reaches the terminal as a command to it."""

from __future__ import annotations

import json
import string

import pytest
from dispatch.plain import is_unseen, json_escaped, one_line, plain, plain_markdown


def test_words_stay_as_they_are_in_every_script() -> None:
    for text in ("Größe: 3 MB", "資料", "עברית", "👩‍💻 done", "❤️‍🔥 ☎︎", "می‌خواهم", "ക്‍", "1️⃣ ‼️ ↔️ 👍🏽", "a\n\tb", ""):
        assert plain(text) == text


@pytest.mark.parametrize("code", [*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x202E, 0x2066, 0x200F])
def test_no_sign_that_commands_a_terminal_or_turns_text_comes_through(code: int) -> None:
    assert chr(code) not in plain(f"a{chr(code)}b")
    assert plain(f"a{chr(code)}b")[0] == "a"
    assert plain(f"a{chr(code)}b")[-1] == "b"


HIDDEN = "".join(chr(0xE0000 + ord(sign)) for sign in "bcc evil@example.org")


@pytest.mark.parametrize(
    "unseen",
    [
        *("\u200b", "\u2060", "\u00ad", "\ufeff", "\u2800", "\u3164", "\ufe01", HIDDEN, "\u200d" * 2, "\ufe0f" * 3),
        # Unassigned and private signs that nothing is drawn for.
        *("\u2065", "\ufff0", "\U000e0080", "\U000e01f0", "\U000e0fff", "\ue000", "\U0010fffd"),
    ],
)
def test_what_shows_nothing_is_shown_as_what_it_is(unseen: str) -> None:
    for text in (f"bob{unseen}@x", unseen, f"a {unseen}"):
        shown = plain(text)

        assert f"⟨U+{ord(unseen[-1]):04X}⟩" in shown
        assert sum(sign in unseen for sign in shown) <= 1
        assert plain(shown) == shown
    assert json.loads(json_escaped(f'"{unseen}"')) == unseen


def test_joiners_and_selectors_behind_signs_that_are_not_written_with_them_are_shown() -> None:
    """One behind each sign of a word would be a word of its own."""
    for sign in "\u200c\u200d\ufe0e\ufe0f":
        for word in ("bcc", "资料", "дом", "1a", "가"):
            hiding = "".join(f"{letter}{sign}" for letter in word)
            assert plain(hiding) == "".join(f"{letter}⟨U+{ord(sign):04X}⟩" for letter in word)
    assert plain("👩\u200dx") == "👩⟨U+200D⟩x"


def test_what_is_seen_is_seen_and_nothing_else_is() -> None:
    """Every sign that Unicode has drawn as nothing unless a font knows better (Default_Ignorable_Code_Point)."""
    ignorable = [0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0]
    for first, last in (
        *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFFF0, 0xFFF8)),
        *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
    ):
        ignorable += range(first, last + 1)
    assert [hex(code) for code in ignorable if not is_unseen(chr(code))] == []
    assert [sign for sign in "a ü資\u00a0\u3000👍🏽\u0301" if is_unseen(sign)] == []


def test_one_line_is_one_line_and_not_too_long() -> None:
    assert one_line("a\nb\t c\r\nd") == "a b c d"
    assert one_line("abcdefgh", 5) == "abcd…"
    assert one_line("abc", 5) == "abc"


@pytest.mark.parametrize("entity", ["&#x202e;", "&#8238;", "&rlm;", "&#x2028;", "&#x2066;"])
def test_markdown_does_not_bring_back_as_an_entity_what_was_taken_out_as_a_sign(entity: str) -> None:
    assert "&" not in plain_markdown(f"a {entity} b")
    assert plain(plain_markdown(entity)) == plain_markdown(entity)


def test_markdown_keeps_the_entities_that_are_only_words() -> None:
    assert plain_markdown("a &amp; b &lt;c&gt; &nbsp; &#65; AT&T;x") == "a &amp; b &lt;c&gt; &nbsp; &#65; AT&T;x"


def test_a_line_of_json_is_one_line_for_every_reader_commands_no_terminal_and_says_the_same() -> None:
    words = f"ü 資料 \x9b31m \u2028 \u2029 \x85 \u202e \udcff \U000e0041 {string.printable}"
    written = json_escaped(json.dumps(words, ensure_ascii=False))
    assert json.loads(written) == words
    assert len(written.splitlines()) == 1
    assert plain(written) == written
    assert "資料" in written
