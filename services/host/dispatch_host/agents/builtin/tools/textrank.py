"""The most telling sentences of a text, by TextRank: a sentence counts for as much as the sentences like it. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter

from dispatch_host.agents.builtin.vocabulary import listed

_SENTENCES = 200  # more are not compared: the work grows with the square
_COMMON = frozenset(
    listed("""
        the a an and or but of in on at to for from by with as is are was were be been being it its this that these
        those he she they we you i his her their our your not no so if then than there which who whom what when
        where how all any each into over under out up about can could may might must shall should will would has
        have had do does did
    """)
)


def sentences(text: str) -> list[str]:
    """Cut a text into sentences. Heading lines go first: without a full stop they would stick to what follows."""
    paragraphs: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        kept = [line for index, line in enumerate(lines) if not _heading(line, lines[index + 1 : index + 2])]
        if kept:
            paragraphs.append(re.sub(r"(\w)- (?=[a-z])", r"\1", " ".join(kept)))
    found = [
        sentence.strip()
        for paragraph in paragraphs
        for sentence in re.split(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9À-Þ])", paragraph)
    ]
    return [sentence for sentence in found if len(sentence.split()) >= 4 and re.search(r"[^\W\d_]{2}", sentence)]


def _heading(line: str, following: list[str]) -> bool:
    """Tell a heading: short, without an end, and what follows begins anew."""
    if re.search(r"[.!?:;,]$", line) or len(line) > 70 or len(line.split()) > 10:
        return False
    return not following or following[0][:1].isupper() or following[0][:1].isdigit()


def rank(found: list[str], count: int) -> list[str]:
    """Choose the most telling sentences, in the order of the text."""
    found = list(dict.fromkeys(found))[:_SENTENCES]
    if len(found) <= count:
        return found
    words = [Counter(w for w in re.findall(r"\w+", s.casefold()) if w not in _COMMON and len(w) > 1) for s in found]
    size = [math.log(sum(bag.values()) + 1) for bag in words]
    weight = [
        [
            0.0 if i == j or size[i] + size[j] == 0 else sum((words[i] & words[j]).values()) / (size[i] + size[j])
            for j in range(len(found))
        ]
        for i in range(len(found))
    ]
    spread = [sum(row) or 1.0 for row in weight]
    score = [1.0] * len(found)
    for _ in range(30):
        score = [
            0.15 + 0.85 * sum(weight[j][i] / spread[j] * score[j] for j in range(len(found)) if weight[j][i])
            for i in range(len(found))
        ]
    best = sorted(range(len(found)), key=lambda i: (-score[i], i))[:count]
    return [found[i] for i in sorted(best)]
