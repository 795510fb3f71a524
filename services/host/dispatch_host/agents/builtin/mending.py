"""What people write beside what they mean: politeness, slips of the keyboard, names without quotes. Pure. Called by parse.py."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from dispatch_host.agents.builtin import grammar
from dispatch_host.agents.builtin.sentence import FILE_NAME

_LONGEST_NAME = 8  # words of a file's name that is not quoted


def impolite(text: str) -> str:
    """Take away what says nothing but please."""
    before = None
    while text != before:
        before = text
        for pattern in grammar.POLITE:
            text = re.sub(pattern, "", text, flags=re.IGNORECASE).strip()
    return text


def with_longer_names(text: str) -> Iterator[str]:
    """Quote ever more words just before a file's name as its beginning: "summarise Lease agreement.pdf".

    People don't quote. The fewest words that leave nothing unexplained are the name. It reaches back over no preposition,
    else "the average amount in orders.csv" were one; nor over the whole request, which must still say what to do.
    """
    named = re.search(FILE_NAME, text, re.IGNORECASE)
    if named is None:
        return
    at = named.start()
    for word in reversed(re.findall(r"[^\s\"'“”]+\s+$|[^\s\"'“”]+(?=\s)", text[:at])[-_LONGEST_NAME:]):
        at = text.rindex(word, 0, at)
        if re.fullmatch(grammar.NOT_IN_A_NAME, word.strip(), re.IGNORECASE) or not impolite(text[:at]):
            return
        yield f'{text[:at]}"{text[at : named.end()]}"{text[named.end() :]}'


def mended(text: str, folders: Sequence[str]) -> str:
    """Mend slips of the keyboard in words that matter, outside quotes. Only tried on what was not understood."""
    known = [*grammar.KEYWORDS, *(name.casefold() for name in folders if name.isalpha())]

    def better(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if len(word) < 4 or word in known or match.string[match.start() - 1 : match.start()] in ("/", ".", "~"):
            return match[0]
        close = difflib.get_close_matches(word, known, n=1, cutoff=0.82)
        return close[0] if close else match[0]

    pieces = re.split(r"(\"[^\"]*\"|“[^”]*”|'[^']*')", text)
    return "".join(piece if index % 2 else re.sub(r"[A-Za-z]+", better, piece) for index, piece in enumerate(pieces))
