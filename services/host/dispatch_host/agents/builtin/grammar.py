"""The patterns by which parse.py tells what a person wants. Data only: regular expressions, tried without regard to case."""

from __future__ import annotations

from dispatch_host.agents.builtin.query import Action
from dispatch_host.agents.builtin.sentence import END, KIND_WORDS, LITERAL, VALUE
from dispatch_host.agents.builtin.vocabulary import listed

POLITE = (
    (
        r"^(?:(?:hey|hi|hello|ok(?:ay)?|so|well|yo|please|pls|dispatch|assistant|computer|now then"
        r"|um+|uh+|right|and please|good (?:morning|evening|afternoon))\b[\s,!.]*)+"
    ),
    (
        r"^(?:(?:can|could|would|will|may|might) (?:you|i|we)(?: please| kindly| maybe| perhaps"
        r"| possibly| just| quickly)*(?: be able to| have you| get you to)?"
        r"|(?:i|we)(?:'d| would)? (?:would |just |really |also )*(?:like|want|need"
        r"|love)(?: you)? to"
        r"|(?:i|we) wanna|i was wondering if you could|do you mind|would you mind"
        r"|is it possible to|help me(?: to)?|let's|try to|go ahead and|i(?:'d| would) like(?: to)?"
        r"|are you able to|(?:can|could) i (?:please )?(?:get|have|see))\b\s*"
    ),
    (
        # What stands between two of them has one place to match: with two, each more would double the time.
        r"(?:[\s!.,]*\b(?:please|pls|plz|thanks(?: a lot| so much| in advance| very much)?"
        r"|thank you(?: very much| so much)?|thx|cheers|for me|if you (?:can|could|don't mind)"
        r"|if possible|right now|real quick|asap))+[\s!.,]*$"
    ),
)


# Verbs at the start of a clause that this assistant does not do. A later agent or issue may.
CHANGING_VERBS = (
    r"delete|remove|erase|trash|bin|move|rename|copy|zip|unzip|compress|extract|archive|unpack"
    r"|organi[sz]e|tidy|clean(?: up)?|put|"
    r"overwrite|replace|edit|modify|append|merge|split|convert|sort .+ into|backup|back up|encrypt|decrypt|shred|save|"
    r"create|make|touch|mkdir|write|change|add|insert|fix|update|correct|reformat"
)


DESKTOP_VERBS = (
    r"search (?:the )?(?:web|internet|net)|look up online|check (?:the |my )?(?:weather|news|mail|e-?mails?|calendar|inbox)|"
    r"open|launch|start|browse|go to|visit|navigate|log ?in|sign in|google|email|e-mail|mail"
    r"|send|text|message|call|phone|tweet|post|reply|"
    r"draft|compose|build|code|program|implement|refactor|debug|run|execute|install|uninstall|commit|push|pull|"
    r"deploy|download|upload|schedule|remind|play|pause|print out|buy|order me|book|click|type"
    r"|press|take a screenshot|screenshot|"
    r"translate|git|npm|pip|ssh|sudo|cargo|docker|make me|generate|design|shut ?down|restart"
    r"|reboot|lock|turn|switch|set|share|forward|record|scan my"
)


CLAUSE = r"(?:^|(?:\band then|\band|\bthen|[,;.·])\s+)(?:please |also |then |just |now )*"


_PHONE = r"(?:me|us|my phone|the phone|this phone|my mobile)"
_FIRST = r"^(?:and |now |then |also |but )*"

# Sending a file to the phone, before the verbs that this assistant does not do: each leaves "send_file" in its place. What is
# sent to somebody else, or is no file, stays what it was.
SENDS = (
    (
        rf"{_FIRST}(?:send|share|transfer|deliver)(?: over)? (?:me|us)(?: over)?\s+"
        r"(?!(?:an? |the |another )?(?:e-?mail|mail|message|text message|sms|reminder|note to|notification|invite|link)\b)"
    ),
    (
        rf"{_FIRST}(?:send|share|transfer|copy|deliver|get)\s+(?=\S.*\s(?:over )?(?:on)?to {_PHONE}(?: over)?$)"
        r"(?!(?:an? |the )?(?:e-?mail|mail|message|text message|sms|reminder)\b)"
    ),
    rf"{_FIRST}send\s+(?=(?:it|that|this|them|the|my|both|{LITERAL})(?:\s|$))(?!.*\b(?:to|via|by|through|using)\b)",
    (
        rf"(?:\s*(?:,|\band|\bthen))+\s*(?:send|share|transfer)\s+(?:(?:it|that|this)(?: over)?(?: to {_PHONE})?"
        r"|(?:me|us) (?:it|that|this|the (?:file|result)))(?=\s*$)"
    ),
)
SENT_TO = rf"\s(?:over )?(?:on)?to {_PHONE}(?: over)?$"


# What came with the person's words, now or before.
ATTACHED = (
    (r"\battached\b ?", ""),
    (r"\battachment\b", "file"),
    (r"\battachments\b", "files"),
    (r"\b(?:that |which )?i(?:'ve| have)?(?: just)? (?:attach|attached|uploaded|sent)(?: you| along)?\b", ""),
)


SYNONYMS = (
    # what is asked for as words is no file
    (
        r"^(?:send|text) (?:me|us) (?=(?:an? |the )?(?:\w+ )?(?:list|table|summary|overview|names|sizes|count|number"
        r"|rows?)\b)",
        "show me ",
    ),
    # as in a terminal: grep -rn WORD WHERE
    (
        rf"^e?grep (?:-[\w-]+ )+(?P<what>{LITERAL}|\S+) (?:in )?(?P<where>{LITERAL}|[\w-]+)$",
        r"search for \g<what> in \g<where>",
    ),
    (rf"^e?grep (?:-[\w-]+ )+(?P<what>{LITERAL}|\S+)$", r"search for \g<what>"),
    (r"\b(?:tell|show) me what (?=.* says?$)", "what does "),
    (
        rf"^(?:(?:show|give|get|see|read|print|display)(?: me)? )?(?:the )?(?:whole |full )?text (?:of|from|in|out"
        rf" of) (?=(?:the )?(?:file )?{LITERAL}|it\b|that\b)",
        "read ",
    ),
    (r"\b\d+(?:\.\d+)? ?(?:kb|mb|gb|megabytes?|gigabytes?)(?: big| large)? (?=(?:csv|pdf|text|log|file)s?\b)", "big "),
    (
        (
            r"\b(?:put|turn|convert|change|format|render|present|display|transform) (?:it|that|this"
            r"|them|those|these"
            r"|the (?:result|answer|list))s? (?=(?:in|into|as|to) (?:an? )?(?:\w+ )?(?:table|list"
            r"|bullet))"
        ),
        "show ",
    ),
    # ways of asking for a summary or a list that begin with a verb of making
    (
        (
            r"\b(?:make|create|write|prepare|generate|produce|build|compile|do|give)\s+(?:me\s+"
            r"|us\s+)?(?:an?|the)\s+(?:\w+\s+)?(?:summary|overview|profile"
            r"|synopsis)\b(?:\s+(?:of|for|on)\b)?"
        ),
        "summarise",
    ),
    (
        (
            r"\b(?:make|create|write|prepare|generate|produce|build|compile)\s+(?:me\s+|us\s+)?(?:an?"
            r"|the)\s+(?:\w+\s+)?(?:list|table|ranking|report)\s+(?:of|with|showing)\b"
        ),
        "list",
    ),
    (r"\b(?:run|do|perform|make)\s+(?:an?|the)\s+(?:quick\s+)?search\s+(?=for|in|of)", "search "),
    (r"\b(?:duplicated? check|check for dup)", "duplicate"),
    (r"\btl;? ?dr\b(?: of| for)?:?", "summarise"),
    (r"\brun (?:some |the )?(?:stats|statistics)(?: on| for| over)?\b", "summarise"),
    (r"\bcheck\s+(?=(?:how|which|what|if|whether)\b)", ""),
    (r",?\s+and (?:how (?:big|large) (?:are (?:they|those)|is it|they are|it is)|what size (?:they are|it is))$", ""),
    (
        r"\bopen(?: up)?\s+(?=(?:it|that|this|the (?:first|second|third|fourth|fifth|last)|(?:file )?\ue000)\b|\ue000"
        r"|(?:the |my )(?:[\w'-]+ ){0,4}(?:csv|pdf|text|file|document|spreadsheet|note)s?\b)",
        "read ",
    ),
    (r"\bprint\s+(?:out\s+)?(?=the|me|it|first|last|top|\ue000)", "show "),
)


SUMMARISE = (
    r"summari[sz]e|summari[sz]ing|summary|summari[sz]ation|sum(?:s)? up|tl;?dr|gist|describe"
    r"|profile|analy[sz]e|analysis|key points|main points|statistics|stats|overview of"
)


THEN_SUMMARISE = (
    rf"(?:,|;|·|\.|\band\b|\bthen\b)+\s*(?:then |also |please |and |give me "
    rf"|show me )*(?:a (?:short |brief |quick )?|the )?(?:{SUMMARISE})(?: of"
    rf"| for)?\s+(?:me )?(?:(?:up )?(?:the )?(?:very )?(?P<ordinal>first|second|third|fourth"
    rf"|fifth|last|top)(?: (?:one|pdf|file|match|result|csv|document|hit|of (?:them|those)))*"
    rf"|(?P<it>it|that one|the (?:match|result|file|pdf)))(?=\s*(?:$|[·,;.]|and\b|for me\b"
    rf"|please\b))"
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


# Words over which a file's name without quotes does not reach back.
NOT_IN_A_NAME = (
    r"(?:in|inside|of|for|from|on|at|to|with|about|and|then|is|are|does|do|the|an?|my|this|that|it|them|called|named)"
    r"|.*[,;:?!]"
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


JOINS = (
    r"^(?:and|now|then|also|but|or|what about|how about|same for"
    r"|same (?:thing )?(?:but |for |in |with )?|only|just|instead|again"
    r"|the same(?: for| in| but)?|sort|order|show (?:me )?(?:only|just)|make (?:it|that|them)"
    r"|limit|filter|narrow|restrict|exclude"
    r"|(?:do|try) (?:the same|it|that)(?: for| in| with| but)?|repeat|more|reverse)\b"
    r"|\binstead$|\btoo$|\bas well$|\bagain$|\brather$"
)


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


KEYWORDS = listed("""
    which what show list table rows lines first largest biggest smallest newest oldest latest recent recently
    duplicate duplicates duplicated identical summarise summarize summary describe search find files folder
    folders documents downloads pictures desktop changed modified created yesterday today contains containing
    filename usage preview records columns spreadsheet monday tuesday wednesday thursday friday saturday sunday
""")
