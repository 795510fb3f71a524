"""The text of a request while it is taken apart: what was quoted is kept aside, and what means something is cut out.

Pure; knows how files, numbers and rows are spoken of, and not yet what is wanted of them. slots.py and the grammars cut.
"""

from __future__ import annotations

import re

from dispatch_host.agents.builtin.vocabulary import EXTENSIONS, FILLERS, KINDS, NUMBERS

CUT = " · "  # stands where something was cut out, so that its neighbours do not become neighbours
OPEN, SHUT = "\ue000", "\ue001"  # private use: around the number of a quoted or literal value
LITERAL = rf"{OPEN}\d+{SHUT}"
# A value without quotes ends before the words that begin something else.
END = (
    r"(?=\s*(?:$|[·;?!]|,(?:\s|$)|(?:\.|:)\s"
    r"|\s(?:in|inside|within|under|from)\s"
    r"|\s(?:and|then|but)\s+(?:then\s+|also\s+|please\s+)*(?:show|list|give|tell|summari[sz]e"
    r"|sum|display|print|describe|profile|sort|order|put|make|get|read|preview)\b"
    r"|\sas\s+an?\s|\ssort(?:ed)?\s|\splease\b|\sfor me\b))"
)
VALUE = rf"(?P<value>{LITERAL}|[^·]+?)"
NUMBER = (
    r"(?:\d{1,7}|" + "|".join(sorted((*NUMBERS, "a couple of", "couple of", "a dozen"), key=len, reverse=True)) + ")"
)
ENDINGS = "|".join(sorted((re.escape(extension[1:]) for extension in EXTENSIONS), key=len, reverse=True))
FILE_NAME = rf"(?<![\w{SHUT}])[\w][\w./()+@%&=-]*\.(?:{ENDINGS})(?![\w])"
FILE_WORDS = r"files?|documents?|docs?"
KIND_WORDS = "|".join(f"(?:{kind.words})" for kind in KINDS.values())
ROWS = r"rows?|lines?|records?|entries|columns?"


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
        return f"{OPEN}{len(self.literals) - 1}{SHUT}"

    def plain(self, value: str) -> str:
        """Give a cut value back with its literals."""
        value = value.strip(" \t·,;:!?").rstrip(".")
        return re.sub(rf"{OPEN}(\d+){SHUT}", lambda match: self.literals[int(match[1])], value)

    def left(self) -> list[str]:
        """Name the words that nothing has taken, without those that carry no meaning."""
        words = re.findall(rf"{LITERAL}|[^\s·,;:!?()…]+", self.text)
        return [
            self.plain(word) for word in words if re.sub(r"^\W+|\W+$|'s$", "", word).casefold() not in FILLERS | {""}
        ]


def literals(text: str) -> Words:
    """Start: straighten quotes and spaces, and put quoted text, paths and file names aside as literals."""
    text = re.sub(rf"[{OPEN}-{SHUT}]", "", text)
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
