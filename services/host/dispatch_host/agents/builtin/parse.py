"""From what a person wrote to a Query: a table of actions over the slots that slots.py cuts out.

Pure. Understands nothing rather than half: a word that no slot, no action and no filler explains makes the whole request
not understood, so that "the largest planets" never lists files. Called by program.py; followup.py completes a request
that only makes sense after another one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dispatch_host.agents.builtin import slots, when
from dispatch_host.agents.builtin.query import Action, Query, Sort
from dispatch_host.agents.builtin.slots import KIND_WORDS, LITERAL, Words

FILE_CHANGES = "change files"  # what a refused request wanted, for the answer
DESKTOP = "desktop"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A request taken apart. Without an action it may complete an earlier one."""

    action: Action | None = None
    slots: dict[str, Any] = field(default_factory=dict)  # the fields of Query that were said
    pick: int | None = None  # an item of the earlier answer: from 1, -1 the last, 0 the one spoken of
    joins: bool = False  # "and …", "what about …": said as a follow-up
    left: tuple[str, ...] = ()  # words nothing explains
    more: bool = False  # more of the same list
    wants: str | None = None  # FILE_CHANGES or DESKTOP: clearly not for this assistant

    @property
    def understood(self) -> bool:
        """Tell whether every word was explained."""
        return not self.left and self.wants is None

    def query(self) -> Query | None:
        """Give the request as it stands alone, if it does."""
        if self.action is None or not self.understood:
            return None
        return Query(action=self.action, **self.slots)


_POLITE = (
    r"^(?:(?:hey|hi|hello|ok(?:ay)?|so|well|yo|please|pls|dispatch|assistant|computer|now then|um+|uh+|right|and please|good (?:morning|evening|afternoon))\b[\s,!.]*)+",
    r"^(?:(?:can|could|would|will|may|might) (?:you|i|we)(?: please| kindly| maybe| perhaps| possibly| just| quickly)*(?: be able to| have you| get you to)?|(?:i|we)(?:'d| would)? (?:would |just |really |also )*(?:like|want|need|love)(?: you)? to|(?:i|we) wanna|i was wondering if you could|do you mind|would you mind|is it possible to|help me(?: to)?|let's|try to|go ahead and|i(?:'d| would) like(?: to)?|are you able to|(?:can|could) i (?:please )?(?:get|have|see))\b\s*",
    r"(?:,? *(?:please|pls|plz|thanks(?: a lot| so much| in advance| very much)?|thank you(?: very much| so much)?|thx|cheers|for me|if you (?:can|could|don't mind)|if possible|right now|real quick|asap)[\s!.,]*)+$",
)

# Verbs at the start of a clause that this assistant does not do. A later agent or issue may.
_CHANGING = (
    r"delete|remove|erase|trash|bin|move|rename|copy|zip|unzip|compress|extract|archive|unpack|organi[sz]e|tidy|clean(?: up)?|put|"
    r"overwrite|replace|edit|modify|append|merge|split|convert|sort .+ into|backup|back up|encrypt|decrypt|shred|save|"
    r"create|make|touch|mkdir|write|change|add|insert|fix|update|correct|reformat"
)
_DESKTOP = (
    r"open|launch|start|browse|go to|visit|navigate|log ?in|sign in|google|email|e-mail|mail|send|text|message|call|phone|tweet|post|reply|"
    r"draft|compose|build|code|program|implement|refactor|debug|run|execute|install|uninstall|commit|push|pull|"
    r"deploy|download|upload|schedule|remind|play|pause|print out|buy|order me|book|click|type|press|take a screenshot|screenshot|"
    r"translate|git|npm|pip|ssh|sudo|cargo|docker|make me|generate|design|shut ?down|restart|reboot|lock|turn|switch|set|share|forward|record|scan my"
)
_CLAUSE = r"(?:^|(?:\band then|\band|\bthen|[,;.·])\s+)(?:please |also |then |just |now )*"

_SYNONYMS = (
    (r"\b\d+(?:\.\d+)? ?(?:kb|mb|gb|megabytes?|gigabytes?)(?: big| large)? (?=(?:csv|pdf|text|log|file)s?\b)", "big "),
    (
        r"\b(?:put|turn|convert|change|format|render|present|display|transform) (?:it|that|this|them|those|these|the (?:result|answer|list))s? (?=(?:in|into|as|to) (?:an? )?(?:\w+ )?(?:table|list|bullet))",
        "show ",
    ),
    # ways of asking for a summary or a list that begin with a verb of making
    (
        r"\b(?:make|create|write|prepare|generate|produce|build|compile|do|give)\s+(?:me\s+|us\s+)?(?:an?|the)\s+(?:\w+\s+)?(?:summary|overview|profile|synopsis)\b(?:\s+(?:of|for|on)\b)?",
        "summarise",
    ),
    (
        r"\b(?:make|create|write|prepare|generate|produce|build|compile)\s+(?:me\s+|us\s+)?(?:an?|the)\s+(?:\w+\s+)?(?:list|table|ranking|report)\s+(?:of|with|showing)\b",
        "list",
    ),
    (r"\b(?:run|do|perform|make)\s+(?:an?|the)\s+(?:quick\s+)?search\s+(?=for|in|of)", "search "),
    (r"\b(?:duplicated? check|check for dup)", "duplicate"),
    (r"\btl;? ?dr\b(?: of| for)?:?", "summarise"),
    (r"\brun (?:some |the )?(?:stats|statistics)(?: on| for| over)?\b", "summarise"),
    (r"\bcheck\s+(?=(?:how|which|what|if|whether)\b)", ""),
    (
        r"\bopen(?: up)?\s+(?=(?:it|that|this|the (?:first|second|third|fourth|fifth|last)|(?:file )?\ue000)\b|\ue000)",
        "read ",
    ),
    (r"\bprint\s+(?:out\s+)?(?=the|me|it|first|last|top|\ue000)", "show "),
)

_SUMMARISE = r"summari[sz]e|summari[sz]ing|summary|summari[sz]ation|sum(?:s)? up|tl;?dr|gist|describe|profile|analy[sz]e|analysis|key points|main points|statistics|stats|overview of"
_THEN_SUMMARISE = rf"(?:,|;|·|\.|\band\b|\bthen\b)+\s*(?:then |also |please |and |give me |show me )*(?:a (?:short |brief |quick )?|the )?(?:{_SUMMARISE})(?: of| for)?\s+(?:me )?(?:(?:up )?(?:the )?(?:very )?(?P<ordinal>first|second|third|fourth|fifth|last|top)(?: (?:one|pdf|file|match|result|csv|document|hit|of (?:them|those)))*|(?P<it>it|that one|the (?:match|result|file|pdf)))(?=\s*(?:$|[·,;.]|and\b|for me\b|please\b))"

# In the order in which they are tried: the stronger word first, "find" and "show" last.
_RULES: tuple[tuple[Action, str], ...] = (
    (
        Action.HELP,
        r"^(?:help|help me|commands?|\?|usage|info|(?:so )?what (?:all )?(?:can|do|could) (?:you|i|it)(?: do| ask| ask you| say)?(?: for me| here| with my files)?(?: exactly)?|what are you(?: able to do| capable of)?|what (?:kinds? of )?(?:things|tasks|stuff) (?:can|do) (?:you|i) (?:do|ask(?: you)?|help with)|what can (?:you|i) .*\b(?:do|ask|help)\b.{0,12}|how (?:do|can|does) (?:i|you|it|this) (?:use (?:you|this|it)|work|help)|how can you help(?: me)?|show (?:me )?(?:the )?(?:help|commands)|list (?:your )?(?:commands|abilities|skills|capabilities)|your (?:abilities|capabilities)|who are you|(?:tell me )?what you can do|what(?:'s| is) possible)$",
    ),
    (
        Action.SUMMARISE,
        rf"\b(?:summari[sz]e|profile|statistics|stats|missing (?:values|data)|(?:data|column) ?types|top categor(?:y|ies)|min(?:imum)?\b.{{0,12}}\bmax(?:imum)?)\b(?!.*\bfolders?\b)",
    ),
    (
        Action.ROWS,
        r"\bhow many (?:data )?(?:rows|lines|records|entries|columns)\b|\b(?:count|number of|total) (?:the |of )?(?:data )?(?:rows|lines|records|entries)\b|\b(?:row|line|record) count\b|\bhow long is\b",
    ),
    (
        Action.HEAD,
        r"\b(?:rows?|lines?|records?|entries)\b|\bpreview\b|\bhead of\b|^head\b|\b(?:tail|end|beginning|start) of\b|^tail\b|\bpeek\b",
    ),
    (
        Action.DUPLICATES,
        r"\bduplicat(?:e|es|ed|ion|ions)\b|\bdupes?\b|\bidentical\b|\b(?:same|exact) (?:file|files|cop(?:y|ies))\b|\b(?:redundant|double|repeated|multiple|extra) (?:copies|files)\b|\bcopies of the same\b|\bcopied\b|\bmore than once\b|\btwice\b|\bthe same contents?\b",
    ),
    (
        Action.LARGEST,
        r"\b(?:which|what|the) (?:\w+ )?(?:files?|pdfs?|pictures|photos|videos)\b.{0,20}\b(?:tak(?:e|es|ing)|us(?:e|es|ing)|eat(?:s|ing)?|hog(?:s|ging)?|occup(?:y|ies|ying)|consum(?:e|es|ing)|fill(?:s|ing)?)(?: up)?\b.{0,25}\b(?:space|room|disk|storage|drive)\b|\bfiles? (?:with|by|of) (?:the )?(?:largest|biggest|most) (?:size|sizes|space)\b|\bspace hogs?\b",
    ),
    (
        Action.USAGE,
        r"\b(?:disk|storage|space|drive|folder|directory) (?:space )?(?:usage|use|consumption|sizes?|breakdown)\b|\busage (?:of|by|per|for)\b|\b(?:largest|biggest|heaviest|fullest|big|large|smallest) (?:sub)?(?:folders?|director(?:y|ies)|dirs?)\b|\b(?:sub)?(?:folders?|director(?:y|ies)) (?:\w+ ){0,4}(?:largest|biggest|heaviest|most|big)\b|\bsizes? of (?:each |every |all |the |my |all the )*(?:sub)?(?:folders?|director(?:y|ies))\b|\bhow (?:big|large|heavy|full)\b|\bhow much (?:disk |storage |hard drive )?(?:space|room|storage|disk|data)\b|\b(?:eat(?:s|ing)?|us(?:es|ing)|tak(?:es|ing)|fill(?:s|ing)|hog(?:s|ging)|consum(?:es|ing)|occup(?:ies|ying)|clog(?:s|ging)|gobbl(?:es|ing)|wast(?:es|ing)|tak(?:e|es|ing) up)\b.{0,25}\b(?:disk|space|storage|drive|room|computer)\b|\b(?:disk|space|storage|drive) (?:is )?(?:used|full|taken|gone|going|go|filling up)\b|\b(?:by|per|each|every) (?:sub)?(?:folder|directory)\b|\bspace (?:do|does|is|has)\b|\btotal size\b|\b(?:disk|storage) space\b|^du\b|\bspace\b.{0,20}\b(?:used|taken)\b",
    ),
    (Action.SEARCH, r"\bsearch_for_phrase\b"),
    (
        Action.SUMMARISE,
        rf"\b(?:{_SUMMARISE})\b|\btell me (?:more )?about\b|\bmore about\b|\bwhat(?:'s| is) (?:in|inside) (?={LITERAL}|it\b|that\b|the (?:csv|pdf))|\bwhat does\b.*\bsay\b|\bwhat (?:is|'s)\b.*\babout$|\bmissing (?:values|data)\b|\bdata ?types\b|\bmin\b.*\bmax\b|\b(?:averages?|means?|minimum|maximum) (?:of|and|in|for)\b|\btop categor(?:y|ies)\b|\bcolumns\b|\bexplain\b|\bmake sense of\b",
    ),
    (
        Action.LARGEST,
        r"\b(?:largest|biggest|heaviest|hugest|bulkiest|big|large|huge|giant|enormous|massive|smallest|tiniest|small|tiny)\b|\bmost space\b|\bmost (?:disk|storage|room)\b|\bby size\b|\bsize_sort\b",
    ),
    (Action.COUNT, rf"\bhow many\b|\b(?:number|count|amount) of\b|^count\b|\bcount (?:the |my |all )"),
    (
        Action.CHANGED,
        r"\b(?:chang(?:e|es|ed)|modif(?:y|ied|ications?)|new|newest|newer|latest|recent|recently|creat(?:e|ed)|added|updat(?:e|ed|es)|edit(?:ed|s)|touched|arriv(?:e|ed)|appear(?:ed)?|oldest|old|last modified|most recent|landed|worked on|altered|untouched|stale|came in|come in|happened|download(?:ed)?|saved?)\b",
    ),
    (Action.READ, r"\b(?:read|cat|contents? of|open)\b|\btext of\b"),
    (
        Action.FIND,
        r"\b(?:find|list|show|locate|where(?:'s)?|which|what(?:'s)?|search|look(?:ing)? for|get|any|do i have|are there|is there|got|see|display|give|all|ls|dir|looking|hunt|exists?|have|i need|need|want|fetch|bring|pull up)\b",
    ),
)

_ADJECTIVES = (
    r"largest|biggest|heaviest|big|huge|large|giant|massive|smallest|tiniest|small|tiny|newest|latest|oldest|recent"
)

# Words that an action itself explains, besides vocabulary.FILLERS.
_EXPLAINED: dict[Action, str] = {
    Action.HELP: r".*",
    Action.HEAD: r"first|last|top|bottom|head|tail|preview|peek|beginning|start|end|read|few|sample|example|some|csv|initial|final",
    Action.ROWS: r"count|number|long|total|data|how|columns?",
    Action.DUPLICATES: r"duplicat\w+|dupes?|identical|cop(?:y|ies|ied)|same|redundant|double|repeated|multiple|extra|twice|once|more|than|exact|content|check|wasting|wasted|space|scan",
    Action.USAGE: r"disk|storage|space|drive|room|hard|usage|used?|using|uses|consum\w+|breakdown|largest|biggest|heaviest|fullest|full|big|large|smallest|small|most|each|every|how|much|eat\w*|tak\w+|fill\w*|hog\w*|occup\w+|clog\w*|gobbl\w+|wast\w+|gone|going|go|goes|went|total|heavy|by|du|subfolders?|break|analy[sz]e|amount|come|comes|left|data|biggest|inside|summary|summari[sz]e|stats",
    Action.SUMMARISE: r"summari\w+|sums?|tl;?dr|gist|describe|profile|analy\w+|key|main|points|statistics|stats|statistical|about|say|says|missing|values?|data|types?|(?:min|max|mean|avg|average|median)(?:/\w+)*|averages?|means?|minimum|maximum|categor\w+|columns?|explain|sense|quick|detailed|first|top|column|common|frequent|empty|nulls?|dataset|numbers?|paragraphs?|sentences?|few|it|rows?|count|big|huge|large|massive|giant|first|read|open|each|brief|report",
    Action.LARGEST: r"largest|biggest|heaviest|hugest|bulkiest|big|large|huge|giant|enormous|massive|smallest|tiniest|small|tiny|most|space|disk|storage|room|tak\w+|us(?:e|es|ing|ed)|eat\w*|hog\w*|occup\w+|consum\w+|fill\w*|really|size_sort|by|hogs|waste|wasting|top|drive|hard|rank\w*|stored|very|biggie\w*",
    Action.SEARCH: r"search\w*|search_for_phrase|look\w*|grep|find|text|inside|contents?|phrase|word|mentions?|contain\w*|where|which|hits?|matches|occurrences?|case|full|all|anything|every|scan|appears?|mentioned|in",
    Action.COUNT: r"how|many|number|count|amount|total",
    Action.CHANGED: r"chang\w+|modif\w+|new|newest|newer|latest|recent|recently|creat\w+|added|updat\w+|edit\w+|touched|arriv\w+|appear\w*|oldest|old|modified|most|landed|worked|altered|untouched|stale|came|come|happened|since|anything|something|last|ever|today|downloaded|saved|older|than|first|still|lately|i|been|activity|download",
    Action.READ: r"read|cat|contents?|open|text",
    Action.FIND: r"find|list|locate|search\w*|looking|hunt|ls|got|fetch|where|which|all|available|matching|existing|any|large|saved|downloaded|summari\w+|sums?|larger|smaller|bigger|size|sized|there|than|old|older|newer|modified|created|from|need|want",
}

_JOINS = r"^(?:and|now|then|also|but|or|what about|how about|same for|same (?:thing )?(?:but |for |in |with )?|only|just|instead|again|the same(?: for| in| but)?|sort|order|show (?:me )?(?:only|just)|make (?:it|that|them)|limit|filter|narrow|restrict|exclude|(?:do|try) (?:the same|it|that)(?: for| in| with| but)?|repeat|more|reverse)\b|\binstead$|\btoo$|\bas well$|\bagain$|\brather$"


def parse(text: str, *, now: datetime, folders: Sequence[str]) -> Parsed:
    """Understand a request. `folders` are the names of the approved folders; small slips of the keyboard are mended."""
    parsed = _parse(text, now=now, folders=folders)
    if parsed.understood and (parsed.action is not None or parsed.slots or parsed.pick is not None):
        return parsed
    if parsed.wants is None:
        mended = _mend(text, folders)
        if mended != text:
            again = _parse(mended, now=now, folders=folders)
            if again.understood and again.action is not None:
                return again
    return parsed


def _parse(text: str, *, now: datetime, folders: Sequence[str]) -> Parsed:
    words = slots.literals(text)
    joins = False
    for _ in range(3):
        before = words.text
        for pattern in _POLITE:
            words.text = re.sub(pattern, "", words.text, flags=re.IGNORECASE).strip()
        if words.text == before:
            break
    if re.fullmatch(_RULES[0][1], words.text, re.IGNORECASE):
        return Parsed(Action.HELP)
    if not words.text:
        return Parsed(Action.HELP) if text.strip() else Parsed()  # a greeting, or thanks
    joins = words.has(_JOINS)
    for pattern, instead in _SYNONYMS:
        words.text = re.sub(pattern, instead, words.text, flags=re.IGNORECASE)
    said: dict[str, Any] = {}
    said["summarise"] = _then_summarise(words)
    said["style"] = slots.style(words)
    wants = _wants(words)
    if wants is not None:
        return Parsed(wants=wants)
    whole = re.sub(
        r"^(?:and |now |then |also |but |or )*(?:(?:what|how) about|same for)?\b", "", words.text, flags=re.IGNORECASE
    )
    said["minimum_bytes"], said["maximum_bytes"] = slots.sizes(words)
    said["name"] = slots.name(words)
    said["phrase"] = _phrase(words, folders)
    said["sort"] = slots.sort(words)
    found = when.find(words.text, now)
    if found is not None:
        span, words.text = found
        said["since"], said["until"] = span.since, span.until
    said["count"], said["tail"] = slots.count(words)
    said["file"] = slots.file(words)
    picked = slots.pick(words)
    said["places"] = slots.places(words, folders)
    if said["name"] is None:
        said["name"] = slots.name_by_noun(words)
    if said["name"] is None:
        said["name"] = slots.name_before(words)
    said["kind"] = slots.kind(words)
    given = {name: value for name, value in said.items() if value not in (None, False, ())}
    action = _action(whole, words, given, picked, joins)
    return _finish(words, whole, action, given, picked, joins)


def _wants(words: Words) -> str | None:
    """Tell what this assistant does not do by the verb that begins a clause."""
    if words.has(rf"{_CLAUSE}(?:{_CHANGING})\b(?! (?:in|since|by|from|of)\b)(?=\s)") and not words.has(
        r"^(?:make (?:it|that|them) (?:a )?(?:table|list)|sort (?:it|them)? ?by|archives?\b.*\?)"
    ):
        return (
            FILE_CHANGES
            if not words.has(
                rf"{_CLAUSE}(?:write|create|make|fix|change|add|update|correct|edit)\b(?!.*\b(?:files?|folders?|csv|pdf|names?)\b)"
            )
            else DESKTOP
        )
    if words.has(rf"{_CLAUSE}(?:{_DESKTOP})\b(?=\s|$)"):
        return DESKTOP
    return None


def _then_summarise(words: Words) -> int | None:
    match = words.take(_THEN_SUMMARISE)
    if match is None:
        return None
    said = (match["ordinal"] or "first").casefold()
    return {"first": 1, "top": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}[said]


_TERM = r"(?:for )?(?:all |every |any )?(?:the |an? )?(?:(?:exact )?(?:words?|phrase|text|term|string|expression)|mentions? of|occurrences? of|references? to)\s+"
_INSIDE = r"(?:contain(?:s|ing)?|mention(?:s|ing)?|includ(?:es?|ing)|say(?:s|ing)?|talk(?:s|ing)? about|refer(?:s|ring)? to|hav(?:e|ing) (?=(?:the )?(?:word|phrase|text))|with (?=(?:the )?(?:words?|phrase|text|term)\b))"
_FILES = r"(?:files?|documents?|docs?|notes?|lines?|places?|" + KIND_WORDS + ")"
_SEARCHES = (
    rf"\b(?:search(?:ing)?|look(?:ing)?|scan|hunt|check|grep)(?P<where>(?: (?!for\b)[^\s·]+){{0,8}}?) for (?:{_TERM})?{slots.VALUE}{slots._END}",
    rf"\bgrep(?: for)? (?:{_TERM})?{slots.VALUE}{slots._END}",
    rf"\b(?:find|search|locate|show me|show|list|see)(?: me)? (?:{_TERM}){slots.VALUE}{slots._END}",
    rf"\bwhere {slots.VALUE} (?:is|are|was|were|gets?) (?:mentioned|found|used|written|discussed|referenced)\b",
    rf"\bwhere (?:do i |did i |do we |have i |else )?(?:(?:do|does|did|is|are|was|were) )?(?:{_TERM})?{slots.VALUE} (?:appear(?:s|ed)?|mentioned|occur(?:s|red)?|written|found|used|come up|comes up|show up|shows up)\b",
    rf"(?P<keep>\b{_FILES}\b[^·]{{0,40}}?)\bwith (?:{_TERM})?{slots.VALUE} (?:inside|in (?:them|it|their (?:text|contents?)|the text|the contents?|its text))\b",
    rf"\bwhere (?:do|did|have) (?:i|we) (?:mention(?:ed)?|wr(?:ite|ote|itten)|sa(?:y|id)|use[d]?)(?: about)? (?:{_TERM})?{slots.VALUE}{slots._END}",
    rf"(?P<keep>\b{_FILES}\b[^·]{{0,40}}?)(?:\b(?:that|which|who) )?(?:\b(?:actually |also )?){_INSIDE}\s+(?:{_TERM})?{slots.VALUE}(?:\s+(?:inside|in (?:them|it|their (?:text|contents?)|the text|the contents?|its text)|anywhere))?{slots._END}",
    rf"\b(?:what|which|anything|something|everything)(?: that| which)? (?:contain(?:s|ing)?|mention(?:s|ing)?|say(?:s|ing)?) (?:{_TERM})?{slots.VALUE}{slots._END}",
    rf"\b(?:find|search|look up|locate) (?:for )?(?P<value>{LITERAL})(?=\s+(?:in|inside|within|across|throughout|under|through)\b|\s*$)",
    rf"\bsearch (?P<value>(?!in\b|inside\b|through\b|my\b|the\b|all\b|within\b)[^·]+?){slots._END}",
)


def _phrase(words: Words, folders: Sequence[str]) -> str | None:
    """Cut out what to search inside files. "search for pdfs named x" is no search inside files but for them."""
    for pattern in _SEARCHES:
        match = re.search(pattern, words.text, re.IGNORECASE)
        if match is None:
            continue
        raw = match["value"].strip()
        value = words.plain(raw)
        quoted = re.fullmatch(LITERAL, raw) is not None
        if not value or (quoted and (slots.is_file(value) or slots.is_path(value))):
            continue
        if not quoted and re.search(
            rf"\b(?:{_FILES}|folders?|duplicates?|dupes|director\w+|new|recent)\b",
            " ".join(raw.split()[:5]),
            re.IGNORECASE,
        ):
            continue
        if not quoted and re.fullmatch(r"(?:it|them|that|this|those|me|my|the)(?: .*)?", raw, re.IGNORECASE):
            continue
        groups = match.groupdict()
        keep = f"{groups.get('keep') or ''} {groups.get('where') or ''}"
        words.text = (
            f"{words.text[: match.start()]}{slots.CUT}{keep}{slots.CUT}search_for_phrase {words.text[match.end() :]}"
        )
        if not quoted and words.has(r"search_for_phrase\s+in (?:the )?(?:their |its )?(?:file ?)?(?:names?|titles?)\b"):
            return None
        return value
    return None


def _action(whole: str, words: Words, given: dict[str, Any], picked: int | None, joins: bool) -> Action | None:
    if "phrase" in given:
        return Action.SEARCH
    ranked = (
        whole
        if "sort" not in given
        else f"{whole} size_sort"
        if given["sort"] in (Sort.LARGEST, Sort.SMALLEST)
        else whole
    )
    if "summarise" in given:
        return Action.FIND if given.keys() & {"kind", "name", "places", "since"} else Action.SUMMARISE
    targets = given.keys() & {"kind", "name", "file", "places", "since", "until", "minimum_bytes", "maximum_bytes"}
    one_file = (
        "file" in given
        or picked is not None
        or given.get("kind") in ("csv", "pdf", "spreadsheet", "text")
        or "name" in given
    )
    for action, pattern in _RULES:
        if not re.search(pattern, ranked, re.IGNORECASE):
            continue
        if action is Action.LARGEST and not (
            targets
            or re.search(
                r"\bfiles?\b|\bdisk\b|\bspace\b|\bthings?\b|\bstuff\b|\bwhat(?:'s| is)\b|^(?:show |list )?(?:me )?(?:the |my )?(?:\d+ )?(?:largest|biggest)$",
                whole,
                re.IGNORECASE,
            )
        ):
            continue
        if (
            action is Action.LARGEST
            and (given.keys() & {"minimum_bytes", "maximum_bytes"})
            and not re.search(r"\b(?:largest|biggest|smallest)\b", words.text, re.IGNORECASE)
        ):
            continue
        if action is Action.CHANGED and not (
            targets
            or re.search(
                r"\bfiles?\b|\bwhat\b|\bwhat's\b|\bdocuments?\b|\bfolders?\b|\banything\b|^(?:show |list )?(?:me )?(?:the )?(?:newest|latest|recent)",
                whole,
                re.IGNORECASE,
            )
        ):
            continue
        if action is Action.SUMMARISE and picked and given.keys() & {"name", "places", "since"}:
            given["summarise"] = picked
            return Action.FIND
        if action is Action.SUMMARISE and not (one_file or picked is not None):
            if re.search(r"\b(?:files?|folders?)\b", whole, re.IGNORECASE) or "places" in given:
                return Action.USAGE if "file" not in given else action
            return action
        if action is Action.USAGE and "file" in given:
            return Action.FIND
        if action is Action.USAGE and picked is not None and not targets:
            return Action.FIND
        if action is Action.HEAD and not (one_file or "count" in given):
            continue
        if (
            action is Action.COUNT
            and not targets
            and not re.search(r"\b(?:files?|folders?|documents?)\b", whole, re.IGNORECASE)
        ):
            continue
        if action is Action.FIND:
            if "file" in given or picked is not None:
                return (
                    Action.FIND
                    if re.search(r"\b(?:where|find|locate|search|is there|do i have)\b", whole, re.IGNORECASE)
                    else Action.READ
                    if not _only_fragment(whole)
                    else None
                )
            if not targets and not re.search(r"\b(?:files|documents|everything|folders?)\b", whole, re.IGNORECASE):
                return _bare_find(words, given)
        return action
    if given.keys() & {"since", "until"} and not joins:
        return Action.CHANGED
    if given.keys() & {"minimum_bytes", "maximum_bytes"} or (given.keys() & {"kind", "name"} and not joins):
        return Action.FIND
    if "file" in given and not given.keys() - {"file", "places", "style"}:
        return Action.READ
    return None


def _only_fragment(whole: str) -> bool:
    return re.search(r"\b(?:show|see|display|read|open|get|give|list|print)\b", whole, re.IGNORECASE) is None


def _bare_find(words: Words, given: dict[str, Any]) -> Action | None:
    """`find invoices`, `where is my passport scan`: one or two words after a verb of finding are a name."""
    match = words.take(
        r"^(?:find|locate|where(?:'s| is| are)|do i have|look for|search for)(?: me)?(?: my| the| an?| any| all)?\s+(?P<name>[\w&-]+(?: [\w&-]+)?)$"
    )
    if match is None:
        return None
    given["name"] = match["name"]
    return Action.FIND


def _finish(
    words: Words, whole: str, action: Action | None, given: dict[str, Any], picked: int | None, joins: bool
) -> Parsed:
    explained = (
        _EXPLAINED.get(action, "")
        if action
        else r"also|what|about|same|again|only|just|instead|sort\w*|reverse|order|more|filter|limit|repeat|narrow|restrict|now|change|show|without|first|largest|biggest|newest|latest|oldest|smallest"
    )
    left = [word for word in words.left() if not re.fullmatch(f"{explained}|{_ADJECTIVES}", word, re.IGNORECASE)]
    if (
        action is Action.FIND
        and "name" not in given
        and 0 < len(left) <= 3
        and re.search(
            r"\b(?:find|locate|where|search|look(?:ing)? for|do i have|is there|are there|any)\b", whole, re.IGNORECASE
        )
        and given.keys() & {"places", "since", "until", "minimum_bytes", "maximum_bytes", "kind"}
    ):
        given["name"] = " ".join(left)
        left = []
    if (
        action in (Action.SUMMARISE, Action.HEAD, Action.ROWS, Action.READ)
        and "name" not in given
        and "file" not in given
        and picked is None
        and 0 < len(left) <= 3
    ):
        given["name"] = " ".join(left)
        left = []
    _adjectives(action, whole, given)
    more = action is None and re.search(r"\bmore\b", whole, re.IGNORECASE) is not None
    return Parsed(action, given, picked, joins, tuple(left), more)


def _adjectives(action: Action | None, whole: str, given: dict[str, Any]) -> None:
    """Order by what the person called the files: `the newest csv`, `oldest files`, `the big one`."""
    if "sort" in given:
        return
    if action in (
        Action.LARGEST,
        None,
        Action.SUMMARISE,
        Action.HEAD,
        Action.ROWS,
        Action.READ,
        Action.CHANGED,
        Action.FIND,
    ):
        for order, pattern in (
            (Sort.SMALLEST, r"\b(?:smallest|tiniest|small|tiny)\b"),
            (Sort.LARGEST, r"\b(?:largest|biggest|heaviest|big|huge|large|giant|massive)\b"),
            (Sort.OLDEST, r"\boldest\b"),
            (Sort.NEWEST, r"\b(?:newest|latest|most recent)\b"),
        ):
            if re.search(pattern, whole, re.IGNORECASE):
                given["sort"] = order
                return


_KEYWORDS = (
    "which what show list table rows lines first largest biggest smallest newest oldest latest recent recently duplicate duplicates duplicated identical summarise summarize summary "
    "describe search find files folder folders documents downloads pictures desktop changed modified created yesterday today "
    "contains containing filename usage preview records columns spreadsheet monday tuesday wednesday thursday friday saturday sunday"
).split()


def _mend(text: str, folders: Sequence[str]) -> str:
    """Mend slips of the keyboard in words that matter, outside quotes. Only tried on what was not understood."""
    known = [*_KEYWORDS, *(name.casefold() for name in folders if name.isalpha())]

    def better(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if len(word) < 4 or word in known or match.string[match.start() - 1 : match.start()] in ("/", ".", "~"):
            return match[0]
        close = difflib.get_close_matches(word, known, n=1, cutoff=0.82)
        return close[0] if close else match[0]

    pieces = re.split(r"(\"[^\"]*\"|“[^”]*”|'[^']*')", text)
    return "".join(piece if index % 2 else re.sub(r"[A-Za-z]+", better, piece) for index, piece in enumerate(pieces))


def with_slots(query: Query, given: dict[str, Any]) -> Query:
    """Change an earlier request by what was said now."""
    return replace(query, **given)
