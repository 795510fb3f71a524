"""What a person wants searched for inside files. Data first, then what cuts it out. Pure. Called by parse.py."""

from __future__ import annotations

import re

from dispatch_host.agents.builtin.sentence import CUT, END, KIND_WORDS, LITERAL, VALUE, Words, is_file, is_path

TERM = (
    r"(?:for )?(?:all |every |any )?(?:the "
    r"|an? )?(?:(?:exact )?(?:words?|phrase|text|term|string|expression)|mentions? of"
    r"|occurrences? of|references? to)\s+"
)

INSIDE = (
    r"(?:contain(?:s|ing)?|mention(?:s|ing)?|includ(?:es?|ing)|say(?:s|ing)?"
    r"|talk(?:s|ing)? about|refer(?:s|ring)? to|hav(?:e|ing) (?=(?:the )?(?:word|phrase|text))"
    r"|with (?=(?:the )?(?:words?|phrase|text|term)\b))"
)

FILES = r"(?:files?|documents?|docs?|notes?|lines?|places?|" + KIND_WORDS + ")"

SEARCHES = (
    (
        rf"\b(?:search(?:ing)?|look(?:ing)?|scan|hunt|check"
        rf"|grep)(?P<where>(?: (?!for\b)[^\s·]+){{0,8}}?) for (?:{TERM})?{VALUE}{END}"
    ),
    rf"\bgrep(?: -\w+)*(?: for)? (?P<value>{LITERAL}|\S+)(?P<keep> {LITERAL})$",
    rf"\bgrep(?: -\w+)*(?: for)? (?:{TERM})?{VALUE}{END}",
    (
        rf"\b(?:find |show |show me |list )?(?:all |every |the )*lines? (?:with|containing|having"
        rf"|that (?:have|ha[sd]|contains?|says?|mentions?)) (?:{TERM})?{VALUE}{END}"
    ),
    (
        rf"\bin (?:which|what) {FILES} (?:do|does|did|is|are|have|has) (?:i |we )?(?:{TERM})?{VALUE}"
        rf" (?:appear|occur|stand|come up|show up|mentioned|written|found|used)\b"
    ),
    (
        rf"\bin (?:which|what) {FILES} (?:do|did|have) (?:i|we) (?:mention(?:ed)?|wr(?:ite|ote|itten)"
        rf"|sa(?:y|id)|use[d]?)(?: about)? (?:{TERM})?{VALUE}{END}"
    ),
    rf"\b(?:find|search|locate|show me|show|list|see)(?: me)? (?:{TERM}){VALUE}{END}",
    rf"\bwhere {VALUE} (?:is|are|was|were|gets?) (?:mentioned|found|used|written|discussed|referenced)\b",
    (
        rf"\bwhere (?:do i |did i |do we |have i "
        rf"|else )?(?:(?:do|does|did|is|are|was|were) )?(?:{TERM})?{VALUE} (?:appear(?:s"
        rf"|ed)?"
        rf"|mentioned|occur(?:s|red)?|written|found|used|come up|comes up|show up|shows up)\b"
    ),
    (
        rf"(?P<keep>\b{FILES}\b[^·]{{0,40}}?)\bwith (?:{TERM})?{VALUE} (?:inside"
        rf"|in (?:them|it|their (?:text|contents?)|the text|the contents?|its text))\b"
    ),
    (
        rf"\bwhere (?:do|did|have) (?:i|we) (?:mention(?:ed)?|wr(?:ite|ote|itten)|sa(?:y|id)"
        rf"|use[d]?)(?: about)? (?:{TERM})?{VALUE}{END}"
    ),
    (
        rf"(?P<keep>\b{FILES}\b[^·]{{0,40}}?)(?:\b(?:that|which|who) )?(?:\b(?:actually "
        rf"|also )?){INSIDE}\s+(?:{TERM})?{VALUE}(?:\s+(?:inside"
        rf"|in (?:them|it|their (?:text|contents?)|the text|the contents?|its text)"
        rf"|anywhere))?{END}"
    ),
    (
        rf"\b(?:what|which|anything|something|everything)(?: that| which)? (?:contain(?:s|ing)?"
        rf"|mention(?:s|ing)?|say(?:s|ing)?) (?:{TERM})?{VALUE}{END}"
    ),
    (
        rf"\b(?:find|search|look up"
        rf"|locate) (?:for )?(?P<value>{LITERAL})(?=\s+(?:in|inside|within|across|throughout|under"
        rf"|through)\b"
        rf"|\s*$)"
    ),
    rf"\bsearch (?P<value>(?!in\b|inside\b|through\b|my\b|the\b|all\b|within\b)[^·]+?){END}",
)


def take(words: Words) -> str | None:
    """Cut out what to search inside files. "search for pdfs named x" is no search inside files but for them."""
    for pattern in SEARCHES:
        match = re.search(pattern, words.text, re.IGNORECASE)
        if match is None:
            continue
        raw = match["value"].strip()
        value = words.plain(raw)
        quoted = re.fullmatch(LITERAL, raw) is not None
        if not value or (quoted and (is_file(value) or is_path(value))):
            continue
        if not quoted and re.search(
            rf"\b(?:{FILES}|folders?|duplicates?|dupes|director\w+|new|recent)\b",
            " ".join(raw.split()[:5]),
            re.IGNORECASE,
        ):
            continue
        if not quoted and re.fullmatch(r"(?:it|them|that|this|those|me|my|the)(?: .*)?", raw, re.IGNORECASE):
            continue
        groups = match.groupdict()
        keep = f"{groups.get('keep') or ''} {groups.get('where') or ''}"
        words.text = f"{words.text[: match.start()]}{CUT}{keep}{CUT}search_for_phrase {words.text[match.end() :]}"
        if not quoted and words.has(r"search_for_phrase\s+in (?:the )?(?:their |its )?(?:file ?)?(?:names?|titles?)\b"):
            return None
        return value
    return None
