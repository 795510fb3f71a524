"""Cuts out of a request how much is wanted, in which order and shape, and which item of an earlier answer is meant.

Each function takes the working text apart a little more; what is left at the end decides whether the request was
understood at all. Pure. Called by parse.py; which files are meant is file_slots.py.
"""

from __future__ import annotations

import re

from dispatch_host.agents.builtin.query import Sort, Style
from dispatch_host.agents.builtin.sentence import (
    CUT,
    FILE_WORDS,
    KIND_WORDS,
    LITERAL,
    NUMBER,
    OPEN,
    ROWS,
    Words,
    is_file,
    number,
)
from dispatch_host.agents.builtin.vocabulary import NUMBERS, ORDINALS


def style(words: Words) -> Style | None:
    """Cut out how rows shall be shown."""
    if words.take(
        r"\b(?:formatted |format(?:ted)? )?(?:as|in|into|in the form of|make (?:it|that|them|this)"
        r"|use) (?:an? |the )?(?:\w+ )?(?:markdown )?table(?: format| form)?\b"
    ) or words.take(r"^(?:now )?(?:an? )?table(?: please| format| view| instead)*$|\btabular(?: form(?:at)?)?\b"):
        return Style.TABLE
    if words.take(
        r"\b(?:formatted |format(?:ted)? )?(?:as|in|into|in the form of|make (?:it|that|them|this)"
        r"|use) (?:an? |the )?(?:\w+ )?(?:bullet(?:ed)? |numbered )?(?:list|bullets"
        r"|bullet points)(?: format| form)?\b"
    ) or words.take(r"^(?:now )?(?:an? )?list(?: please| format| view| instead)+$|\bbullet(?:ed)? (?:list|points)\b"):
        return Style.LIST
    return None


_SORTS = (
    (
        Sort.SMALLEST,
        (
            r"\b(?:smallest|tiniest|littlest) first\b|\b(?:by|in order of) (?:file )?size,? ascending\b"
            r"|\b(?:from )?(?:the )?(?:smallest|small) to (?:the )?(?:largest|biggest|large|big)\b"
        ),
    ),
    (
        Sort.LARGEST,
        (
            r"\b(?:largest|biggest|heaviest) first\b"
            r"|\b(?:from )?(?:the )?(?:largest|biggest|large|big) to (?:the )?(?:smallest|small)\b"
        ),
    ),
    (Sort.OLDEST, r"\b(?:oldest|earliest) first\b|\b(?:from )?(?:the )?oldest to (?:the )?newest\b"),
    (Sort.NEWEST, r"\b(?:newest|latest|most recent) first\b|\b(?:from )?(?:the )?newest to (?:the )?oldest\b"),
    (Sort.LARGEST, r"\b(?:by|in order of) (?:the )?(?:their )?(?:file )?size\b"),
    (
        Sort.NEWEST,
        (
            r"\b(?:by|in order of) (?:the )?(?:their )?(?:date|time|age|modification (?:date|time)"
            r"|last modified|modified|date modified|recency)\b"
        ),
    ),
    (Sort.NAME, r"\b(?:by|in order of) (?:the )?(?:their )?(?:file ?)?names?\b|\balphabetical(?:ly)?(?: order)?\b"),
)


def sort(words: Words) -> Sort | None:
    """Cut out the order a person asked for."""
    found: Sort | None = None
    for order, pattern in _SORTS:
        if (
            words.take(
                rf"(?:\b(?:sort(?:ed)?|order(?:ed)?|rank(?:ed)?|arranged?)\s+(?:it |them |these |those "
                rf"|this |that )?)?(?:{pattern})"
            )
            and found is None
        ):
            found = order
    return found


_SIZE = (
    r"(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>bytes?|b|kb|kib|k|kilobytes?|mb|mib|m|megs?"
    r"|megabytes?|gb|gib|g|gigs?|gigabytes?|tb|tib|t|terabytes?)\b"
)
_UNITS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def sizes(words: Words) -> tuple[int | None, int | None]:
    """Cut out the least and the greatest size in bytes; kB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024."""
    least = words.take(
        r"(?:\b(?:that|which) (?:are|is) )?\b(?:larger|bigger|greater|more|heavier|above|over"
        r"|at least|exceeding|minimum|min|upwards of)(?: than)?(?: of)? " + _SIZE
    ) or words.take(r"(?:\b(?:of|with) (?:a )?)?(?:sizes? )?(?:>=?|≥)\s*" + _SIZE)
    most = words.take(
        r"(?:\b(?:that|which) (?:are|is) )?\b(?:smaller|lighter|less|below|under|at most|up to|maximum|max)(?: than)? "
        + _SIZE
    ) or words.take(r"(?:sizes? )?(?:<=?|≤)\s*" + _SIZE)
    return (_bytes(least) if least else None, _bytes(most) if most else None)


def _bytes(match: re.Match[str]) -> int:
    unit = match["unit"].casefold()
    base = 1024 if "ib" in unit else 1000
    return int(float(match["number"].replace(",", ".")) * base ** _UNITS[unit[0]])


def count(words: Words) -> tuple[int | None, bool]:
    """Cut out how many, and whether the last ones are meant."""
    superlative = r"largest|biggest|heaviest|smallest|tiniest|newest|latest|oldest|most recent(?:ly)?|recent(?:ly)?"
    patterns = (
        rf"\b(?P<which>top|first|last|bottom|final|head|tail)\s+(?!one\b)(?P<n>{NUMBER})\b(?:\s+of\b)?",
        rf"\b(?P<n>{NUMBER})\s+(?P<which>last|first|top)\b",
        rf"\b(?P<which>{superlative})\s+(?P<n>{NUMBER})\b",
        rf"\b(?P<n>{NUMBER})\s+(?P<which>{superlative})\b",
        (
            rf"\b(?:limit(?:ed)?(?: it| them)? to|only|just|at most|up to|show(?: me)?|give me|list"
            rf"|maximum(?: of)?|max)\s+(?P<n>{NUMBER})\b(?P<which>)(?!\s*(?:st|nd|rd|th)\b)"
        ),
        (
            rf"\b(?P<n>{NUMBER})\s+(?=(?:{ROWS}|{FILE_WORDS}|{KIND_WORDS}|results?|matches|items"
            rf"|hits|folders?|more)\b)(?P<which>)"
        ),
    )
    for pattern in patterns:
        match = re.search(pattern, words.text, re.IGNORECASE)
        if match:
            which = match["which"] or ""
            keep = f" {which} " if re.fullmatch(superlative, which, re.IGNORECASE) else CUT
            words.text = f"{words.text[: match.start()]}{keep}{words.text[match.end() :]}"
            return max(number(match["n"]), 1), which.casefold() in ("last", "bottom", "final", "tail")
    if words.take(r"\b(?:the\s+)?(?P<which>first|top|last)\s+(?:row|line|record)\b", to=" row "):
        return 1, False
    if words.take(r"\b(?:show(?: me)?|list|give me|see) (?:them )?all(?: of (?:them|those|it))?$|\ball of them$"):
        return 1_000_000, False
    return None, False


_MEASURE = r"(?:averages?|avg|mean|sum|total|min(?:imum)?|max(?:imum)?|highest|lowest|count)"
_MEASURES = {
    "a": "mean",
    "me": "mean",
    "s": "sum",
    "t": "sum",
    "mi": "minimum",
    "l": "minimum",
    "ma": "maximum",
    "h": "maximum",
}


def measure(words: Words) -> tuple[str | None, tuple[str, ...]]:
    """Cut out a column of a CSV and what is asked of it: `the mean of amount in x.csv`."""
    match = re.search(
        rf"\b(?P<measures>{_MEASURE}(?:(?:,| and|/| or)+ ?(?:the )?{_MEASURE})*) (?:values? )?(?:of |for |in )?(?:the )?"
        rf"(?:columns? |field )?(?P<column>{LITERAL}|[^\s·,;?{OPEN}]+(?: [^\s·,;?{OPEN}]+){{0,3}}?)(?: column| values)?"
        rf" (?=(?:in|of|from|for) (?:(?:the |my )?(?:file )?{LITERAL}|it\b|that\b|(?:the |my )(?:[\w-]+ )?csv\b))",
        words.text,
        re.IGNORECASE,
    )
    if match is None or not is_column(column := words.plain(match["column"])):
        return None, ()
    words.text = f"{words.text[: match.start()]}{CUT}{words.text[match.end() :]}"
    said = re.findall(_MEASURE, match["measures"].casefold())
    return column, tuple(dict.fromkeys(_MEASURES.get(one[:1]) or _MEASURES.get(one[:2]) or "count" for one in said))


def is_column(said: str) -> bool:
    """Tell a column's name from what else is counted and measured."""
    other = rf"(?:{ROWS}|{FILE_WORDS}|{KIND_WORDS}|folders?|pages?|words?|sizes?|of|and|values?|columns?|space)"
    return not is_file(said) and not any(re.fullmatch(other, word, re.IGNORECASE) for word in said.split())


def onward(words: Words) -> int | None:
    """Cut out how many come next of a list that was shown: `next 10`, `the next five files`."""
    match = words.take(
        rf"^(?:and )?(?:show (?:me )?|give me |list )?(?:the )?next (?!one\b)(?P<n>{NUMBER})"
        rf"(?: (?:ones?|results?|items?|more|{ROWS}|{FILE_WORDS}|{KIND_WORDS}))?$"
    )
    return max(number(match["n"]), 1) if match else None


# What `pick` gives besides a number from 1: the last, the one spoken of, and those told by the one spoken of.
LAST, IT, NEXT, PREVIOUS, OTHER = -1, 0, 1001, 1002, 1003
_ORDINAL = r"(?P<ordinal>" + "|".join(ORDINALS) + r"|\d{1,3}(?:st|nd|rd|th))"


def pick(words: Words) -> int | None:
    """Cut out which item of an earlier answer is meant: a number from 1, LAST, IT, NEXT, PREVIOUS or OTHER."""
    match = (
        words.take(
            rf"\b(?:the |that |for |and )*{_ORDINAL}(?: (?:one|match|result|item|of (?:them|those|these|the list)))+\b"
        )
        or words.take(rf"\b(?:the |that |and )*{_ORDINAL}(?=\s+(?:{FILE_WORDS}|{KIND_WORDS})\b)")
        or words.take(rf"\b(?:the |and )*{_ORDINAL}(?=\s*(?:$|·|,|;))")
    )
    if match:
        said = match["ordinal"].casefold()
        return ORDINALS[said] if said in ORDINALS else int(re.sub(r"\D", "", said))
    match = words.take(r"(?:#|\b(?:number|no\.?|nr\.?|item|result)\s+)(?P<n>\d{1,3})\b") or words.take(
        r"^(?:and )?(?P<n>\d{1,2})$"
    )
    if match:
        return int(match["n"])
    match = words.take(rf"\b(?:number|item|result)\s+(?P<n>{'|'.join(NUMBERS)})\b")
    if match:
        return NUMBERS[match["n"].casefold()]
    for which, pattern in ((OTHER, "other"), (NEXT, "next|following"), (PREVIOUS, "previous|one before")):
        if words.take(rf"\bthe (?:{pattern})(?: one| file| pdf| csv)?(?=\s*(?:$|·))"):
            return which
    if words.take(
        rf"\b(?:it|its|them|those|these|that one|this one"
        rf"|(?:that|this|the same)(?= (?:file|pdf|csv|one|document|table)\b))(?:\s+(?:one"
        rf"|{FILE_WORDS}|pdfs?|csvs?))?(?![\w'])"
    ) or words.take(
        (
            r"\b(?:summari[sz]e|describe|profile|about|of|in|from|for|open|read|show|show me"
            r"|preview) (?:that|this|the file|that one)$"
        ),
        to=" summarise_what ",
    ):
        words.text = words.text.replace("summarise_what", "summarise" if words.has(r"^\s*$") else " ")
        return 0
    return None
