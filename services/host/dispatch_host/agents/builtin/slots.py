"""Cuts what carries meaning out of a request, one kind of thing after the other: quotes, counts, sizes, times, folders, names.

Each function takes the working text apart a little more; what is left at the end decides whether the request was
understood at all (parse.py). Pure; knows the names of the approved folders only as words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dispatch_host.agents.builtin.query import Sort, Style
from dispatch_host.agents.builtin.vocabulary import EXTENSIONS, FILLERS, KINDS, NUMBERS, ORDINALS, USUAL_FOLDERS, listed

CUT = " · "  # stands where something was cut out, so that its neighbours do not become neighbours
_OPEN, _SHUT = "\ue000", "\ue001"  # private use: around the number of a quoted or literal value
LITERAL = rf"{_OPEN}\d+{_SHUT}"
_WORD = r"[^\s·,;]+"
# A value without quotes ends before the words that begin something else.
END = (
    r"(?=\s*(?:$|[·;?!]|,(?:\s|$)|(?:\.|:)\s"
    r"|\s(?:in|inside|within|under|from)\s"
    r"|\s(?:and|then|but)\s+(?:then\s+|also\s+|please\s+)*(?:show|list|give|tell|summari[sz]e"
    r"|sum|display|print|describe|profile|sort|order|put|make|get|read|preview)\b"
    r"|\sas\s+an?\s|\ssort(?:ed)?\s|\splease\b|\sfor me\b))"
)
VALUE = rf"(?P<value>{LITERAL}|[^·]+?)"
_NUMBER = (
    r"(?:\d{1,7}|" + "|".join(sorted((*NUMBERS, "a couple of", "couple of", "a dozen"), key=len, reverse=True)) + ")"
)
_ENDINGS = "|".join(sorted((re.escape(extension[1:]) for extension in EXTENSIONS), key=len, reverse=True))
FILE_NAME = rf"(?<![\w{_SHUT}])[\w][\w./()+@%&=-]*\.(?:{_ENDINGS})(?![\w])"
_FILE_WORDS = r"files?|documents?|docs?"
KIND_WORDS = "|".join(f"(?:{kind.words})" for kind in KINDS.values())
_ROWS = r"rows?|lines?|records?|entries|columns?"


class Words:
    """The text of a request while it is taken apart."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.literals: list[str] = []

    def take(self, pattern: str, *, to: str = CUT) -> re.Match[str] | None:
        """Cut out the first match, and return it."""
        match = re.search(pattern, self.text, re.IGNORECASE)
        if match:
            self.text = f"{self.text[: match.start()]}{to}{self.text[match.end() :]}"
        return match

    def has(self, pattern: str) -> bool:
        """Tell whether the text still holds the pattern."""
        return re.search(pattern, self.text, re.IGNORECASE) is not None

    def hold(self, value: str) -> str:
        """Keep a literal value aside and return what stands for it."""
        self.literals.append(value)
        return f"{_OPEN}{len(self.literals) - 1}{_SHUT}"

    def plain(self, value: str) -> str:
        """Give a cut value back with its literals."""
        value = value.strip(" \t·,;:!?").rstrip(".")
        return re.sub(rf"{_OPEN}(\d+){_SHUT}", lambda match: self.literals[int(match[1])], value)

    def left(self) -> list[str]:
        """Name the words that nothing has taken, without those that carry no meaning."""
        words = re.findall(rf"{LITERAL}|[^\s·,;:!?()…]+", self.text)
        return [
            self.plain(word) for word in words if re.sub(r"^\W+|\W+$|'s$", "", word).casefold() not in FILLERS | {""}
        ]


def literals(text: str) -> Words:
    """Start: straighten quotes and spaces, and put quoted text, paths and file names aside as literals."""
    text = re.sub(rf"[{_OPEN}-{_SHUT}]", "", text)
    text = text.replace("“", '"').replace("”", '"').replace("„", '"').replace("«", '"').replace("»", '"')
    text = text.replace("‘", "'").replace("’", "'").replace("`", '"')
    text = re.sub(r"\s+", " ", text).strip()
    words = Words(text)
    words.text = re.sub(r'"([^"]+)"', lambda match: words.hold(match[1]), words.text)
    words.text = re.sub(r"(?<![\w'])'([^']+)'(?![\w'])", lambda match: words.hold(match[1]), words.text)
    # Paths: from ~/, /, ./ or ../ up to a space that is not escaped; and Windows' ones, which are never approved here.
    words.text = re.sub(
        r"(?<![\w/.~])(?:~\w*(?=/|\s|$)|\.{0,2}/|[A-Za-z]:\\)(?:\\ |[^\s,;?!·])*",
        lambda match: words.hold(match[0].replace("\\ ", " ").rstrip(".") or match[0]),
        words.text,
    )
    # File names: a word with a known ending, or one with an unknown ending that is clearly no sentence.
    words.text = re.sub(FILE_NAME, lambda match: words.hold(match[0]), words.text, flags=re.IGNORECASE)
    words.text = re.sub(r"[?!.]+$", "", words.text).strip()
    return words


def is_path(value: str) -> bool:
    """Tell a path from a quoted phrase."""
    return bool(re.match(r"(?:~|/|\.{1,2}/|[A-Za-z]:\\)", value))


def is_file(value: str) -> bool:
    """Tell a file name, or a path to a file, by its ending."""
    name = value.rpartition("/")[2]
    return (
        "." in name.strip(".")
        and f".{name.rpartition('.')[2].casefold()}" in EXTENSIONS
        and " " not in name.rpartition(".")[2]
    )


def number(said: str) -> int:
    """Read a number in digits or words."""
    said = re.sub(r"^a |\bof\b", "", said.casefold()).strip()
    return int(said) if said.isdigit() else NUMBERS[said]


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
        rf"\b(?P<which>top|first|last|bottom|final|head|tail)\s+(?!one\b)(?P<n>{_NUMBER})\b(?:\s+of\b)?",
        rf"\b(?P<n>{_NUMBER})\s+(?P<which>last|first|top)\b",
        rf"\b(?P<which>{superlative})\s+(?P<n>{_NUMBER})\b",
        rf"\b(?P<n>{_NUMBER})\s+(?P<which>{superlative})\b",
        (
            rf"\b(?:limit(?:ed)?(?: it| them)? to|only|just|at most|up to|show(?: me)?|give me|list"
            rf"|maximum(?: of)?|max)\s+(?P<n>{_NUMBER})\b(?P<which>)(?!\s*(?:st|nd|rd|th)\b)"
        ),
        (
            rf"\b(?P<n>{_NUMBER})\s+(?=(?:{_ROWS}|{_FILE_WORDS}|{KIND_WORDS}|results?|matches|items"
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
        rf"(?:columns? |field )?(?P<column>{LITERAL}|[^\s·,;?{_OPEN}]+(?: [^\s·,;?{_OPEN}]+){{0,3}}?)(?: column| values)?"
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
    other = rf"(?:{_ROWS}|{_FILE_WORDS}|{KIND_WORDS}|folders?|pages?|words?|sizes?|of|and|values?|columns?|space)"
    return not is_file(said) and not any(re.fullmatch(other, word, re.IGNORECASE) for word in said.split())


def onward(words: Words) -> int | None:
    """Cut out how many come next of a list that was shown: `next 10`, `the next five files`."""
    match = words.take(
        rf"^(?:and )?(?:show (?:me )?|give me |list )?(?:the )?next (?!one\b)(?P<n>{_NUMBER})"
        rf"(?: (?:ones?|results?|items?|more|{_ROWS}|{_FILE_WORDS}|{KIND_WORDS}))?$"
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
        or words.take(rf"\b(?:the |that |and )*{_ORDINAL}(?=\s+(?:{_FILE_WORDS}|{KIND_WORDS})\b)")
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
        rf"|{_FILE_WORDS}|pdfs?|csvs?))?(?![\w'])"
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


def places(words: Words, known: Sequence[str]) -> tuple[str, ...]:
    """Cut out the folders. `known` are the names of the approved ones; others are found by how they are said."""
    found: list[str] = []
    preposition = (
        r"(?:in|inside|into|under|within|from|of|on|at|for|to|through|across|below|throughout|beneath|over|about)"
    )
    folder = r"(?:folders?|director(?:y|ies)|dirs?|subfolder)"
    names = "|".join(sorted({_loose(name) for name in known if name}, key=len, reverse=True))
    exact = "|".join(sorted((re.escape(name) for name in known if name[:1].isupper()), key=len, reverse=True))
    usual = "|".join(USUAL_FOLDERS)
    both = "|".join(filter(None, (names, usual)))
    lead = rf"\b(?:and |or |but )?(?:only |just )?{preposition}\s+(?:all (?:of )?)?(?:my|the|our|your|this|that)?\s*"
    tail = rf"(?P<sub>(?:/[^\s·,;?!]+)*)(?:\s+{folder})?(?![\w-])"
    patterns = (
        rf"(?:{lead})?(?:the )?{folder}\s+(?:called |named )?(?P<place>{LITERAL})",
        rf"{lead}(?:{folder} )?(?P<place>{LITERAL})(?:\s+{folder})?",
        rf"(?P<place>{LITERAL})\s+{folder}\b",
        rf"{lead}(?P<place>{both}){tail}(?! (?:files?|pdfs?|csvs?)\b)",
        (
            rf"\b(?:my{'|the|our' if names else ''})\s+(?P<place>{names or usual}){tail}(?! (?:files?"
            rf"|pdfs?|csvs?|about|with|from|i|in)\b)"
        ),
        rf"\bmy\s+(?P<place>{usual}){tail}(?! (?:files?|pdfs?|csvs?|about|with|from|i|in)\b)",
        rf"\b(?P<place>{both})(?P<sub>(?:/[^\s·,;?!]+)*)\s+{folder}\b",
        rf"{lead}{folder}\s+(?:called |named )?(?P<place>{_WORD})",
        (
            rf"\b(?:in|inside|under|within|from|of|for|at|through)\s+(?:my |the |our "
            rf"|your )?(?P<place>{_WORD}(?: {_WORD}){{0,2}}?)\s+{folder}\b"
        ),
        (
            rf"(?:{lead}|^|\band |, ?)(?:my |the )?(?P<place>downloads"
            rf"|desktop{'|' + names if names else ''}){tail}(?! (?:files?)\b)"
        ),
        r"(?P<place>\bdownloads)(?=\s*(?:$|[·,;]))",
        rf"\b(?P<place>(?-i:{exact})){tail}" if exact else r"(?!)(?P<place>)",
        (
            r"\b(?:in|inside|under|within)\s+(?:my "
            r"|our )?(?P<place>[\w.-]+(?:/[\w.-]+)*)(?=\s*(?:$|[·,;]"
            r"|\b(?:and|or|that|which|by|sorted|as|please|then)\b))"
        ),
    )
    for pattern in patterns:
        while len(found) < 10:
            match = next((m for m in re.finditer(pattern, words.text, re.IGNORECASE) if _is_place(words, m)), None)
            if match is None:
                break
            said = words.plain(match["place"]) + (match.groupdict().get("sub") or "")
            words.text = f"{words.text[: match.start()]}{CUT}{words.text[match.end() :]}"
            if said not in found:
                found.append(said)
    for literal in re.findall(LITERAL, words.text):  # a path that no preposition announces: "~/Downloads largest files"
        value = words.plain(literal)
        if is_path(value) and not is_file(value):
            words.text = words.text.replace(literal, CUT)
            found.append(value)
    return tuple(found)


def _is_place(words: Words, match: re.Match[str]) -> bool:
    literal = re.fullmatch(LITERAL, match["place"])
    said = words.plain(match["place"])
    if literal:
        return not is_file(said)
    return not all(
        word.casefold() in FILLERS or re.fullmatch(rf"{KIND_WORDS}|{_ROWS}", word, re.IGNORECASE) or word.isdigit()
        for word in said.split()
    ) or bool(re.fullmatch("|".join((*USUAL_FOLDERS, r"documents?")), said, re.IGNORECASE))


def _loose(name: str) -> str:
    """Write a folder's name as a pattern: spaces, `-` and `_` alike, with or without the plural."""
    parts = [re.escape(part) for part in re.split(r"[\s_-]+", name) if part]
    pattern = r"[\s_-]+".join(parts)
    return f"{pattern[:-1]}s?" if len(name) > 3 and name.endswith(("s", "S")) else pattern


_NAME = r"(?:file ?)?(?:names?|titles?)"
_TERM = r"(?:(?:the |an? )?(?:words?|phrase|text|term|string|expression)\s+)?"
_NAMES = (
    # the sentence says that it is the name
    (
        rf"\b(?:(?:that|which) )?(?:with|having|ha(?:s|ve)|containing|contains?|includ(?:es?|ing)"
        rf"|mention(?:s|ing)?|say(?:s|ing)?|match(?:es|ing)?)\s+{_TERM}(?P<value>{LITERAL}"
        rf"|[^·]+?)\s+(?:in|as part of|somewhere in|anywhere in) (?:the |their |its "
        rf"|a )?{_NAME}(?! of)\b"
    ),
    (
        rf"\b(?:whose|where (?:the|its|their)|with (?:a|the)|by|that have (?:a )?"
        rf"|which have (?:a )?|having (?:a )?)?\s*{_NAME}\s+(?:that |which )?(?:contain(?:s|ing)?"
        rf"|includ(?:es?|ing)|ha(?:s|ve)|is|are|match(?:es|ing)?|like|mention(?:s|ing)?"
        rf"|start(?:s|ing)? with|end(?:s|ing)? (?:with|in)|begin(?:s|ning)? with|of"
        rf"|with)\s+{_TERM}{VALUE}{END}"
    ),
    (
        rf"\b(?:that (?:are|is) |which (?:are|is) |something )?(?:named|called|titled"
        rf"|entitled)\s+(?:something )?(?:like |as )?{_TERM}{VALUE}{END}"
    ),
    rf"\bin (?:the|their|its) {_NAME}\s*:?\s*(?P<value>{LITERAL})",
)


def name(words: Words) -> str | None:
    """Cut out the words of a file's name where the sentence says that they are its name."""
    for pattern in _NAMES:
        match = words.take(pattern)
        if match:
            return words.plain(match["value"])
    return None


def name_by_noun(words: Words) -> str | None:
    """Cut out a name after a noun: `the csv about sales q3`, `PDFs with invoice`, `files for the tax office`."""
    noun = rf"(?:{_FILE_WORDS}|{KIND_WORDS}|one)"
    match = (
        words.take(
            rf"(?<=\w)(?<!\bwhat)\s+(?:about|regarding|concerning|matching|like|with|for|on|mentioning"
            rf"|containing|related to|to do with|relating to)\s+(?:the )?{_TERM}(?P<value>{LITERAL}"
            rf"|[^·]+?){END}"
        )
        if words.has(
            rf"\b{noun}\s+(?:about|regarding|concerning|matching|like|with|for|on|mentioning|containing"
            rf"|related to|to do with|relating to)\s"
        )
        else None
    )
    if match:
        said = words.plain(match["value"])
        if not all(word.casefold() in FILLERS for word in said.split()):
            return said
    match = words.take(rf"(?<={_SHUT})\s+(?={noun}\b)", to=" ")  # 'sales report' csv
    if match:
        literal = words.take(rf"{LITERAL}(?=\s+{noun}\b)")
        if literal:
            return words.plain(literal[0])
    return None


_NAME_VERBS_AND_ADJECTIVES = listed("""
    largest biggest heaviest smallest tiniest newest latest oldest recent recently big huge large small tiny
    massive new old duplicate duplicated identical same changed modified created added updated edited touched
    other another next previous top first last summarise summarize summarising summary describe profile analyse
    analyze search find locate count read preview open compare unused double repeated empty hidden matching
    relevant respective dupe dupes space most more less than without not no longest giant enormous hefty sum
    stats statistics of me sums through scan grep hunt
""")
# Words before `pdfs` or `files` that are not part of a name.
_NOT_A_NAME = (
    (FILLERS - {"report", "data", "content", "contents", "total", "overview", "details"})
    | NUMBERS.keys()
    | ORDINALS.keys()
    | frozenset(_NAME_VERBS_AND_ADJECTIVES)
)


def name_before(words: Words) -> str | None:
    """Cut out a name before a noun: `the sales report csv`, `my tax PDFs`."""
    noun = rf"(?:{_FILE_WORDS}|{KIND_WORDS})"
    for match in re.finditer(rf"(?P<before>(?:[\w'&-]+\s+){{1,5}})(?={noun}\b)", words.text, re.IGNORECASE):
        kept: list[str] = []
        for word in reversed(match["before"].split()):
            if word.casefold() in _NOT_A_NAME or re.fullmatch(
                rf"{KIND_WORDS}|{_FILE_WORDS}|{'|'.join(e[1:] for e in EXTENSIONS)}|[\w]+ly", word, re.IGNORECASE
            ):
                break
            kept.insert(0, word)
        if kept:
            if (
                match.start("before") == 0
                and len(kept) == len(match["before"].split())
                and re.match(_FILE_WORDS, words.text[match.end("before") :], re.IGNORECASE)
            ):
                continue  # nothing before it says that a name follows
            phrase = " ".join(kept)
            at = (
                match.end("before")
                - len(match["before"])
                + match["before"].rindex(
                    kept[0] if len(kept) == 1 else " ".join(kept) if " ".join(kept) in match["before"] else kept[0]
                )
            )
            words.text = f"{words.text[:at]}{CUT}{words.text[match.end('before') :]}"
            return phrase
    return None


def kind(words: Words) -> str | None:
    """Cut out the kind of file."""
    match = words.take(r"(?<!\w)(?:\*\.|\.)(?P<extension>[A-Za-z0-9]{1,8})\b(?:[- ]+files?)?")
    if match:
        return _extension(match["extension"])
    for key, known in KINDS.items():
        words_of = {
            "text": r"text(?= files?| documents?)|txts?|notes|markdown",
            "code": r"code(?= files?)|source(?: code)?(?= files?)|scripts",
        }.get(key, known.words)
        if words.take(rf"(?<![\w-])(?:{words_of})(?:[- ]+(?:files?|documents?))?(?![\w-])"):
            return key
    match = words.take(rf"\b(?P<extension>{_ENDINGS})(?:s|'s)?(?:[- ]+files?)\b") or words.take(
        r"\b(?P<extension>json|xlsx|docx|pptx|xml|mp3|mp4|jpe?g|png|gif|html?|yaml|zip|txt|md)s?\b"
    )
    return _extension(match["extension"]) if match else None


def _extension(said: str) -> str:
    """Prefer the kind that has only this extension's meaning (pdf, csv) over the bare extension."""
    extension = f".{said.casefold()}"
    return extension[1:] if extension in (".pdf", ".csv") else extension


def file(words: Words) -> str | None:
    """Cut out a file that was named exactly."""
    for literal in re.findall(LITERAL, words.text):
        value = words.plain(literal)
        if is_file(value):
            words.text = words.text.replace(literal, CUT, 1)
            return value
    return None
