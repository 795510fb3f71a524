"""Cuts out of a request which files are meant: folders, names, kinds, a file by its name.

Each function takes the working text apart a little more. Pure; knows the names of the approved folders only as words. Called by
parse.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dispatch_host.agents.builtin.sentence import (
    CUT,
    END,
    ENDINGS,
    FILE_WORDS,
    KIND_WORDS,
    LITERAL,
    ROWS,
    SHUT,
    VALUE,
    Words,
    is_file,
    is_path,
)
from dispatch_host.agents.builtin.vocabulary import (
    CONTENTS,
    EXTENSIONS,
    FILLERS,
    KINDS,
    NUMBERS,
    ORDINALS,
    QUANTITIES,
    USUAL_FOLDERS,
    listed,
)

_WORD = r"[^\s·,;]+"
_WITHIN = r"(?:in|inside|under|within)\s+"
_NO_ENDING = r"(?!\.\w)"
"""Behind the word for a kind of file: with an ending it is a name, as in photo.bin, whatever the ending."""


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
    if all(
        word.casefold() in FILLERS or re.fullmatch(rf"{KIND_WORDS}|{ROWS}", word, re.IGNORECASE) or word.isdigit()
        for word in said.split()
    ):
        return _is_all_the_same(said, match[0])
    return True


def _is_all_the_same(said: str, around: str) -> bool:
    """Tell whether a word that mostly says nothing is a folder here: else "delete everything in data" is of all folders."""
    if re.fullmatch("|".join((*USUAL_FOLDERS, r"documents?")), said, re.IGNORECASE):
        return True
    if said.casefold() in QUANTITIES:  # "in many folders" is no place
        alone = rf"(?:{_WITHIN}(?:my |our )?|.*\b(?:called|named) ){re.escape(said)}"
        return re.fullmatch(alone, around, re.IGNORECASE) is not None
    return said.casefold() in CONTENTS and re.match(_WITHIN, around, re.IGNORECASE) is not None


def _loose(name: str) -> str:
    """Write a folder's name as a pattern: spaces, `-` and `_` alike, with or without the plural."""
    parts = [re.escape(part) for part in re.split(r"[\s_-]+", name) if part]
    pattern = r"[\s_-]+".join(parts)
    return f"{pattern[:-1]}s?" if len(name) > 3 and name.endswith(("s", "S")) else pattern


_NAME = r"(?:file ?)?(?:names?|titles?)"
_TERM = r"(?:(?:the |an? )?(?:words?|phrase|text|term|string|expression)\s+)?"
_NO_PLACE = "".join(
    f"(?<!{preposition} {article}{folder} )"
    for preposition in ("in", "inside", "under", "within", "from", "of")
    for article in ("", "the ", "my ")
    for folder in ("folder", "directory")
)
"""Before "called": "in the folder called tax" names a folder, and no file."""
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
        rf"\b{_NO_PLACE}(?:that (?:are|is) |which (?:are|is) |something )?(?:named|called|titled"
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
    noun = rf"(?:{FILE_WORDS}|{KIND_WORDS}|one)"
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
    match = words.take(rf"(?<={SHUT})\s+(?={noun}\b)", to=" ")  # 'sales report' csv
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
    stats statistics of me sums through scan grep hunt send_file
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
    noun = rf"(?:{FILE_WORDS}|{KIND_WORDS})"
    for match in re.finditer(rf"(?P<before>(?:[\w'&-]+\s+){{1,5}})(?={noun}\b{_NO_ENDING})", words.text, re.IGNORECASE):
        kept: list[str] = []
        for word in reversed(match["before"].split()):
            if word.casefold() in _NOT_A_NAME or re.fullmatch(
                rf"{KIND_WORDS}|{FILE_WORDS}|{'|'.join(e[1:] for e in EXTENSIONS)}|[\w]+ly", word, re.IGNORECASE
            ):
                break
            kept.insert(0, word)
        if kept:
            if (
                match.start("before") == 0
                and len(kept) == len(match["before"].split())
                and re.match(FILE_WORDS, words.text[match.end("before") :], re.IGNORECASE)
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
        if words.take(rf"(?<![\w-])(?:{words_of})(?:[- ]+(?:files?|documents?))?(?![\w-]){_NO_ENDING}"):
            return key
    match = words.take(rf"\b(?P<extension>{ENDINGS})(?:s|'s)?(?:[- ]+files?)\b") or words.take(
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
