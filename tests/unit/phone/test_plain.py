"""Nothing that a stranger wrote reaches the terminal as a command to it."""

from __future__ import annotations

import pytest
from mobile_sim.plain import one_line, plain


def test_words_stay_as_they_are_in_every_script() -> None:
    for text in ("Größe: 3 MB", "資料", "עברית", "👩‍💻 done", "a\n\tb", ""):
        assert plain(text) == text


@pytest.mark.parametrize("code", [*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x202E, 0x2066, 0x200F])
def test_no_sign_that_commands_a_terminal_or_turns_text_comes_through(code: int) -> None:
    assert chr(code) not in plain(f"a{chr(code)}b")
    assert plain(f"a{chr(code)}b")[0] == "a"
    assert plain(f"a{chr(code)}b")[-1] == "b"


def test_one_line_is_one_line_and_not_too_long() -> None:
    assert one_line("a\nb\t c\r\nd") == "a b c d"
    assert one_line("abcdefgh", 5) == "abcd…"
    assert one_line("abc", 5) == "abc"
