"""Where a task is answered: by the model on this phone, or on the computer. Pure; docs/phone.md, "Answered here".

It errs to the computer: what goes there needlessly costs a moment, what is answered here without what it needs is wrong. The rules
are in English, as those of the built-in assistant are; words in another language go to the computer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """Who answers."""

    HERE = "here"
    HOST = "host"


class Choice(StrEnum):
    """What the person said about it."""

    AUTO = "auto"
    HERE = "here"
    HOST = "host"


class Why(StrEnum):
    """Why it goes there, as a person reads it."""

    SAID = "you said so"
    ATTACHED = "files go with it"
    COMPUTER = "it needs the computer"
    CURRENT = "it needs what is new"
    BACK = "it refers to something before"
    LONG = "it is long"
    UNSURE = "it may need the computer"
    ALONE = "it stands by itself"


@dataclass(frozen=True, slots=True)
class Route:
    """Where, and why."""

    where: Where
    why: Why


LONGEST_CHARACTERS = 1000

_COMPUTER = re.compile(
    r"""[~/\\]\w | \b[a-z]:\\ | \*\.\w | \w\.[a-z]\w{1,4}\b | :// | \b(?:
    files? | folders? | director(?:y|ies) | downloads? | documents? | desktop | attach\w* | pdfs? | csvs? | xlsx? | docx? | zip\w*
    | sheets? | spreadsheets? | archives? | photos? | pictures? | images? | screenshots? | disks? | drives?
    | repo(?:s|sitory|sitories)? | git | commits? | branch(?:es)? | terminal | shell | commands? | scripts? | program(?:s|me)?
    | run(?:s|ning)? | tests? | build | installs? | deploy | execute | open | launch | click | browser | tabs? | websites?
    | (?:web\ ?)?pages? | sites? | apps? | applications? | calendar | meetings? | appointments? | e-?mails? | mail | inbox
    | messages? | slack | notes? | reminders? | remind | schedule | computers? | laptop | machine | host | server
    | rename | delete | move | save | sort | print | send | upload | backup | my | mine | our | ours
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_CURRENT = re.compile(
    r"""\b(?: today | tonight | tomorrow | yesterday | now | current(?:ly)? | latest | recent(?:ly)? | news | weather
    | prices? | stocks? | this\ (?:week|month|year) )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_BACK = re.compile(
    r"""^\W*(?: and | or | but | then | also | so | instead | continue | go\ on | more | again | undo | yes | no | ok(?:ay)? )\b
    | ^\W*(?:\w+\W+){0,3}(?: it | its | that | this | those | these | them | they | he | she | ones? | there | both )\b
    | \b(?: again | previous(?:ly)? | earlier | before | above | same | last\ (?:one|time|task|result) | as\ a\ (?:table|list)
    | (?:first|second|third|fourth|fifth|last|other|next)\ ones? | you\ (?:said|did|made|found|told|wrote)
    | your\ (?:last|answer) )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ALONE = re.compile(
    r"""^\W*(?:
    (?: hi | hello | hey | good\ (?:morning|afternoon|evening|night) | thanks | thank\ you | how\ are\ you | who\ are\ you )\b
    | (?: what(?:'s|\ (?:is|are|was|were|does|do|did|would|happens)) | who(?:'s|\ (?:is|are|was|were|wrote|invented|discovered))
        | why\ (?:is|are|do|does|did|was|were) | when\ (?:is|was|were|did|do|does) | where\ (?:is|are|was|were|do|does)
        | how\ (?:do|does|did|is|are|many|much|far|long|old|tall|big|can|to) | is | are | can | does | do )\b
    | (?: explain | define | translate | rephrase | spell | calculate | compute | solve | compare | brainstorm | suggest
        | recommend | convert\ [\d,.]+ )\b
    | (?: write | compose | make\ up | tell | give | name | list )\ (?:me\ )?
        (?: a | an | some | the | two | three | four | five | six | seven | eight | nine | ten | \d+ )\b
    | [\d\s.,+*()^%-]+=?\??$
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def decide(text: str, *, attached: bool, choice: Choice) -> Route:
    """Say where a task is answered on a phone that has a model."""
    if choice is not Choice.AUTO:
        return Route(Where(choice), Why.SAID)
    if attached:
        return Route(Where.HOST, Why.ATTACHED)
    if len(text) > LONGEST_CHARACTERS:
        return Route(Where.HOST, Why.LONG)
    for pattern, why in ((_COMPUTER, Why.COMPUTER), (_CURRENT, Why.CURRENT), (_BACK, Why.BACK)):
        if pattern.search(text):
            return Route(Where.HOST, why)
    return Route(Where.HERE, Why.ALONE) if _ALONE.search(text) else Route(Where.HOST, Why.UNSURE)
