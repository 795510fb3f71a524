"""Where the words that start a program could lead: every path that is in them in some form, and code that is written among them.

What a word means, only its program knows, so each reading counts: as it stands, with variables filled in, as a URL, as a line of a
shell, as the name of a module. Called for what the owner's settings and menus start, with `theirs`. docs/permissions.md.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote

_VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
_BETWEEN = re.compile(r"[\s=:,;|&<>()\[\]{}\"'`\\]+")  # --from=/a, /a:/b, sh -c "exec /a", run_path('/a')
_INNER = re.compile(r"(?=~?/)")  # -C/a, file://localhost/a: also within a word a path begins with each of these
_OPTION_CHARACTERS = 8  # -msrv, -Bmsrv: what is in front of a value in the same word
_WORD_CHARACTERS = 4096
"""More is read of no word: a longer one leads wherever it likes."""

# By the name of a program: the words that say that code comes, or have it; and the options that have their value behind them.
_CODE = [
    tuple(re.compile(pattern) for pattern in patterns)
    for patterns in (
        (r"(?:ba|da|z|k|mk|c|tc|fi|a)?sh", r"-\w*c.*|--command\b.*", r"[-+]\w*[oO]|--rcfile|--init-file"),
        (r"(?:python|pypy)[\d.]*t?", r"-[bBdEhiIOPqRsSuvx]*c.*", r"-\w*[WX]"),
        (r"node|nodejs|bun|deno|tsx|ts-node", r"-[ipr]*[ep].*|--eval\b.*|--print\b.*|eval|.*\bdata:.*", r"-.*"),
        (r"npx|bunx", r"-c.*|--call\b.*", r"-p|--package|-w|--workspace"),
        (r"(?:perl|ruby|lua|luajit|julia|Rscript|osascript|irb|erl|elixir)[\d.]*", r"-\w*[eE].*|--eval\b.*", r"-.*"),
        (r"php[\d.]*", r"-[rBRE].*|--run\b.*", r"-.*"),
        (r"pwsh", r"(?i:-[ce].*)", r"-.*"),
    )
]


def paths_in(word: str, *, cwd: Path, home: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    """Give every path that a word could mean, each once. `variables` are the program's, `home` is what `~` means."""
    texts = _as_text(word[:_WORD_CHARACTERS], variables)
    for piece in dict.fromkeys(piece for text in texts for piece in _pieces(text)):
        said = re.sub(r"^/+", "/", piece)
        if said == "~" or said.startswith("~/"):
            yield home / said[1:].lstrip("/")
        else:
            yield cwd / said


def code_in(words: Sequence[str]) -> Sequence[int]:
    """Give the places of the words that are code, or say that code follows: it leads wherever it likes.

    A program may stand behind another, as behind `env` or in one word with what it is given.
    """
    found = [place for place, word in enumerate(words) if len(word) > _WORD_CHARACTERS]
    split = [(place, one) for place, word in enumerate(words) for one in word[:_WORD_CHARACTERS].split()]
    for start, (_, program) in enumerate(split):
        for programs, code, with_value in _CODE:
            if programs.fullmatch(PurePath(program).name):
                options = _options(split[start + 1 :], with_value)
                found += [place for place, option in options if code.fullmatch(option)]
    return list(dict.fromkeys(found))


def _options(words: Sequence[tuple[int, str]], with_value: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Give the words up to the first that is neither an option nor the value of one, and that one."""
    before = ""
    for place, word in words:
        yield place, word
        if not word.startswith(("-", "+")) and not with_value.fullmatch(before):
            return
        before = word


def _as_text(word: str, variables: Mapping[str, str]) -> Iterator[str]:
    filled = _VARIABLE.sub(lambda name: variables.get(name[1] or name[2], ""), word)
    for text in dict.fromkeys((word, filled)):
        yield text
        yield unquote(text)
        try:
            yield from shlex.split(text)  # as a shell joins it: /home/me/pr"oj"/x
        except ValueError:
            continue


def _pieces(text: str) -> Iterator[str]:
    for piece in (text, *_BETWEEN.split(text)):
        if piece and "\0" not in piece:
            yield from _values(piece)
            yield from (piece[place.start() :] for place in _INNER.finditer(piece))


def _values(piece: str) -> Iterator[str]:
    """Give a word, what may be joined to an option in it, and of the name of a module its first part."""
    joined = range(2, min(len(piece), _OPTION_CHARACTERS)) if piece.startswith("-") else ()
    for value in (piece, *(piece[index:] for index in joined)):
        yield value
        if "/" not in value and (module := value.partition(".")[0]):
            yield module
