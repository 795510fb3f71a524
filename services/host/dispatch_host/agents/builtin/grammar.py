"""The patterns of how people speak, whatever they want. Data only: regular expressions, tried without regard to case."""

from __future__ import annotations

from dispatch_host.agents.builtin.action_grammar import SUMMARISE
from dispatch_host.agents.builtin.sentence import LITERAL
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

THEN_SUMMARISE = (
    rf"(?:,|;|·|\.|\band\b|\bthen\b)+\s*(?:then |also |please |and |give me "
    rf"|show me )*(?:a (?:short |brief |quick )?|the )?(?:{SUMMARISE})(?: of"
    rf"| for)?\s+(?:me )?(?:(?:up )?(?:the )?(?:very )?(?P<ordinal>first|second|third|fourth"
    rf"|fifth|last|top)(?: (?:one|pdf|file|match|result|csv|document|hit|of (?:them|those)))*"
    rf"|(?P<it>it|that one|the (?:match|result|file|pdf)))(?=\s*(?:$|[·,;.]|and\b|for me\b"
    rf"|please\b))"
)

# Words over which a file's name without quotes does not reach back.
NOT_IN_A_NAME = (
    r"(?:in|inside|of|for|from|on|at|to|with|about|and|then|is|are|does|do|the|an?|my|this|that|it|them|called|named)"
    r"|.*[,;:?!]"
)

JOINS = (
    r"^(?:and|now|then|also|but|or|what about|how about|same for"
    r"|same (?:thing )?(?:but |for |in |with )?|only|just|instead|again"
    r"|the same(?: for| in| but)?|sort|order|show (?:me )?(?:only|just)|make (?:it|that|them)"
    r"|limit|filter|narrow|restrict|exclude"
    r"|(?:do|try) (?:the same|it|that)(?: for| in| with| but)?|repeat|more|reverse)\b"
    r"|\binstead$|\btoo$|\bas well$|\bagain$|\brather$"
)

KEYWORDS = listed("""
    which what show list table rows lines first largest biggest smallest newest oldest latest recent recently
    duplicate duplicates duplicated identical summarise summarize summary describe search find files folder
    folders documents downloads pictures desktop changed modified created yesterday today contains containing
    filename usage preview records columns spreadsheet monday tuesday wednesday thursday friday saturday sunday
""")
