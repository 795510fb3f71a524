"""The patterns by which actions.py tells what a person wants. Data only: regular expressions, tried without regard to case."""

from __future__ import annotations

from dispatch_host.agents.builtin.query import Action
from dispatch_host.agents.builtin.sentence import LITERAL

SUMMARISE = (
    r"summari[sz]e|summari[sz]ing|summary|summari[sz]ation|sum(?:s)? up|tl;?dr|gist|describe"
    r"|profile|analy[sz]e|analysis|key points|main points|statistics|stats|overview of"
)

# Of a file, where it is no folder that is named.
WHATS_IN = r"^(?:so )?what(?:'s| is) (?:in|inside) (?:the|my) (?:[\w-]+ ?){1,3}$"

# In the order in which they are tried: the stronger word first, "find" and "show" last.
RULES: tuple[tuple[Action, str], ...] = (
    (
        Action.HELP,
        (
            r"^(?:help|help me|commands?|\?|usage|info"
            r"|(?:so )?what (?:all )?(?:can|do|could) (?:you|i|it)(?: do| ask| ask you"
            r"| say)?(?: for me| here| with my files)?(?: exactly)?"
            r"|what are you(?: able to do| capable of)?"
            r"|what (?:kinds? of )?(?:things|tasks|stuff) (?:can|do) (?:you|i) (?:do|ask(?: you)?"
            r"|help with)"
            r"|what can (?:you|i) .*\b(?:do|ask|help)\b.{0,12}"
            r"|how (?:do|can|does) (?:i|you|it|this) (?:use (?:you|this|it)|work|help)"
            r"|how can you help(?: me)?|show (?:me )?(?:the )?(?:help|commands)"
            r"|list (?:your )?(?:commands|abilities|skills|capabilities)"
            r"|your (?:abilities|capabilities)|who are you|(?:tell me )?what you can do"
            r"|what(?:'s| is) possible)$"
        ),
    ),
    (Action.SEND, r"\bsend_file\b"),
    (
        Action.SUMMARISE,
        (
            r"\b(?:summari[sz]e|profile|statistics|stats|missing (?:values|data)"
            r"|(?:data|column) ?types|top categor(?:y|ies)"
            r"|min(?:imum)?\b.{0,12}\bmax(?:imum)?)\b(?!.*\bfolders?\b)"
        ),
    ),
    (
        Action.ROWS,
        (
            r"\bhow many (?:data )?(?:rows|lines|records|entries|columns)\b"
            r"|\b(?:count|number of|total) (?:the |of )?(?:data )?(?:rows|lines|records|entries)\b"
            r"|\b(?:row|line|record) count\b|\bhow long is\b"
        ),
    ),
    (
        Action.HEAD,
        (
            r"\b(?:rows?|lines?|records?|entries)\b|\bpreview\b|\bhead of\b|^head\b"
            r"|\b(?:tail|end|beginning|start) of\b|^tail\b|\bpeek\b"
        ),
    ),
    (
        Action.DUPLICATES,
        (
            r"\bduplicat(?:e|es|ed|ion|ions)\b|\bdupes?\b|\bidentical\b"
            r"|\b(?:same|exact) (?:file|files|cop(?:y|ies))\b"
            r"|\b(?:redundant|double|repeated|multiple|extra) (?:copies|files)\b"
            r"|\bfiles?\b.{0,20}\bthe same$"
            r"|\bcopies of the same\b|\bcopied\b|\bmore than once\b|\btwice\b|\bthe same contents?\b"
        ),
    ),
    (
        Action.LARGEST,
        (
            r"\b(?:which|what|the) (?:\w+ )?(?:files?|pdfs?|pictures|photos"
            r"|videos)\b.{0,20}\b(?:tak(?:e|es|ing)|us(?:e|es|ing)|eat(?:s|ing)?|hog(?:s|ging)?"
            r"|occup(?:y|ies|ying)|consum(?:e|es|ing)|fill(?:s|ing)?)(?: up)?\b.{0,25}\b(?:space|room"
            r"|disk|storage|drive)\b"
            r"|\bfiles? (?:with|by|of) (?:the )?(?:largest|biggest|most) (?:size|sizes|space)\b"
            r"|\bspace hogs?\b"
        ),
    ),
    (
        Action.USAGE,
        (
            r"\b(?:disk|storage|space|drive|folder|directory) (?:space )?(?:usage|use|consumption"
            r"|sizes?|breakdown)\b"
            r"|\busage (?:of|by|per|for)\b"
            r"|\b(?:largest|biggest|heaviest|fullest|big|large|smallest) (?:sub)?(?:folders?"
            r"|director(?:y|ies)|dirs?)\b"
            r"|\b(?:sub)?(?:folders?|director(?:y|ies)) (?:\w+ ){0,4}(?:largest|biggest|heaviest|most"
            r"|big)\b"
            r"|\bsizes? of (?:each |every |all |the |my |all the )*(?:sub)?(?:folders?"
            r"|director(?:y|ies))\b"
            r"|\bhow (?:big|large|heavy|full)\b"
            r"|\bhow much (?:disk |storage |hard drive )?(?:space|room|storage|disk|data)\b"
            r"|\b(?:eat(?:s|ing)?|us(?:es|ing)|tak(?:es|ing)|fill(?:s|ing)|hog(?:s|ging)"
            r"|consum(?:es|ing)|occup(?:ies|ying)|clog(?:s|ging)|gobbl(?:es|ing)|wast(?:es|ing)"
            r"|tak(?:e|es|ing) up)\b.{0,25}\b(?:disk|space|storage|drive|room|computer)\b"
            r"|\b(?:disk|space|storage|drive) (?:is )?(?:used|full|taken|gone|going|go|filling up)\b"
            r"|\b(?:by|per|each|every) (?:sub)?(?:folder|directory)\b|\bspace (?:do|does|is|has)\b"
            r"|\b(?:total )?size of\b|\btotal size\b|\b(?:disk|storage) space\b|^du\b|\bspace\b.{0,20}\b(?:used|taken)\b"
        ),
    ),
    (Action.SEARCH, r"\bsearch_for_phrase\b"),
    (
        Action.SUMMARISE,
        (
            rf"\b(?:{SUMMARISE})\b|\btell me (?:more )?about\b|\bmore about\b"
            rf"|\bwhat(?:'s| is) (?:in|inside) (?={LITERAL}|it\b|that\b|the (?:csv|pdf))"
            rf"|\bwhat does\b.*\bsays?\b|\bwhat(?: is|'s)\b.*\babout$|\bhow many pages\b|\bmissing (?:values|data)\b"
            rf"|\bdata ?types\b|\bmin\b.*\bmax\b"
            rf"|\b(?:averages?|means?|minimum|maximum) (?:of|and|in|for)\b|\btop categor(?:y|ies)\b"
            rf"|\bcolumns\b|\bexplain\b|\bmake sense of\b"
        ),
    ),
    (Action.SUMMARISE, WHATS_IN),
    (
        Action.LARGEST,
        (
            r"\b(?:largest|biggest|heaviest|hugest|bulkiest|big|large|huge|giant|enormous|massive"
            r"|smallest|tiniest|small|tiny)\b"
            r"|\bmost space\b|\bmost (?:disk|storage|room)\b|\bby size\b|\bsize_sort\b"
        ),
    ),
    (Action.COUNT, r"\b(?:types?|kinds?) of files?\b|\bhow many\b|\b(?:number|count|amount) of\b|^count\b"),
    (
        Action.CHANGED,
        (
            r"\b(?:chang(?:e|es|ed)|modif(?:y|ied|ications?)|new|newest|newer|latest|recent|recently"
            r"|creat(?:e|ed)|added|updat(?:e|ed|es)|edit(?:ed|s)|touched|arriv(?:e|ed)|appear(?:ed)?"
            r"|oldest|old|last modified|most recent|landed|work(?:ed|ing)? on|altered|untouched|stale|came in"
            r"|come in|happened|work on|download(?:ed)?|saved?)\b"
        ),
    ),
    (Action.READ, r"\b(?:read|cat|contents? of|open)\b|\btext of\b"),
    (
        Action.FIND,
        (
            r"\b(?:find|list|show|locate|where(?:'s)?|which|what(?:'s)?|search|look(?:ing)? for|get"
            r"|any|do i have|are there|is there|got|see|display|give|all|ls|dir|looking|hunt|exists?"
            r"|have|i need|need|want|fetch|bring|pull up)\b"
        ),
    ),
)

ADJECTIVES = (
    r"largest|biggest|heaviest|big|huge|large|giant|massive|smallest|tiniest|small|tiny|newest|latest|oldest|recent"
)

# Words that an action itself explains, besides vocabulary.FILLERS.
EXPLAINED: dict[Action, str] = {
    Action.HELP: r".*",
    Action.HEAD: (
        r"first|last|top|bottom|head|tail|preview|peek|beginning|start|end|read|few|sample|example"
        r"|some|csv|initial|final"
    ),
    Action.ROWS: r"count|number|long|total|data|how|columns?|rows|records|lines|entries",
    Action.DUPLICATES: (
        r"duplicat\w+|dupes?|identical|cop(?:y|ies|ied)|same|redundant|double|repeated|multiple"
        r"|extra|twice|once|more|than|exact|content|check|wast\w+|space|scan|other"
    ),
    Action.USAGE: (
        r"disk|storage|space|drive|room|hard|usage|used?|using|uses|consum\w+|breakdown|largest"
        r"|biggest|heaviest|fullest|full|big|large|smallest|small|most|each|every|how|much|eat\w*"
        r"|tak\w+|fill\w*|hog\w*|occup\w+|clog\w*|gobbl\w+|wast\w+|gone|going|go|goes|went|total"
        r"|heavy|by|du|subfolders?|break|analy[sz]e|amount|come|comes|data|biggest|inside"
        r"|summary|summari[sz]e|stats"
    ),
    Action.SUMMARISE: (
        r"pages|summari\w+|summary|sums?|tl;?dr|gist|describe|profile|analy\w+|key|main|points|statistics|stats"
        r"|statistical|about|say|says|missing|values?|data|types?"
        r"|(?:min|max|mean|avg|average|median)(?:/\w+)*|averages?|means?|minimum|maximum"
        r"|categor\w+|columns?|explain|sense|quick|detailed|first|top|column|common|frequent|empty"
        r"|nulls?|dataset|numbers?|paragraphs?|sentences?|few|it|rows?|count|big|huge|large"
        r"|massive|giant|first|read|open|each|brief|report"
    ),
    Action.LARGEST: (
        r"largest|biggest|heaviest|hugest|bulkiest|big|large|huge|giant|enormous|massive|smallest"
        r"|tiniest|small|tiny|most|space|disk|storage|room|tak\w+|us(?:e|es|ing|ed)|eat\w*|hog\w*"
        r"|occup\w+|consum\w+|fill\w*|really|size_sort|by|hogs|waste|wasting|top|drive|hard"
        r"|rank\w*|stored|very|biggie\w*|single"
    ),
    Action.SEARCH: (
        r"search\w*|search_for_phrase|look\w*|grep|find|text|inside|contents?|phrase|word"
        r"|mentions?|contain\w*|where|which|hits?|matches|occurrences?|case|full|all|anything"
        r"|every|scan|appears?|mentioned|in"
    ),
    Action.COUNT: r"how|many|number|count|amount|total",
    Action.CHANGED: (
        r"chang\w+|modif\w+|new|newest|newer|latest|recent|recently|creat\w+|added|updat\w+"
        r"|edit\w+|touched|arriv\w+|appear\w*|oldest|old|modified|most|landed|worked|altered"
        r"|untouched|stale|came|come|happened|since|anything|something|last|ever|today|downloaded"
        r"|saved|older|than|first|still|lately|i|been|activity|download|work|working"
    ),
    Action.READ: r"read|cat|contents?|open|text",
    Action.SEND: r"send_file|most|over|across|actual|original|copy|attached|find|locate|single",
    Action.FIND: (
        r"find|list|locate|search\w*|looking|hunt|ls|got|fetch|where|which|all|available|matching"
        r"|existing|any|large|saved|downloaded|summari\w+|sums?|larger|smaller|bigger|size|sized"
        r"|there|than|old|older|newer|modified|created|from|need|want"
    ),
}
