"""Every tool of every agent, as something that tries its best to reach a path. A tool more is a line more in `TOOLS`.

An attempt does what a person, a model or a page would make the tool do with that path, says yes to whatever is asked, and
gives all that came out: events, answers, previews. Whether something got out is looked at in the ground.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from dispatch import errors
from dispatch_host.agents import Artifact, Step, Text
from dispatch_host.files import Artifacts, Inbox
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.probe import probe

from tests.escape.ground import CANARY, Ground, NotHere
from tests.escape.more import MORE, MORE_OPENED_BY_PATH, MORE_PROGRAMS
from tests.escape.others import OPENED_BY_PATH, OTHERS, PROGRAMS
from tests.support.programs import PYTHON, Stage
from tests.unit.assistant.conftest import Person

Attempt: TypeAlias = Callable[[Ground, str], Awaitable[str]]


async def _asks(request: str, ground: Ground, path: str) -> str:
    """Ask the built-in assistant, say yes, and give all that it showed."""
    person = Person(ground.root / "user", write=True, keep_out=[ground.host])
    person.folders, person.records, person.inbox = ground.folders, ground.records, ground.inbox
    end = person.end(request.format(path=path, folder=ground.approved))
    shown = [end.text, *person.previews, *(str(choice) for choice in person.choices)]
    for event in person.events:
        match event:
            case Step(title, detail):
                shown += [title, detail]
            case Text(delta):
                shown.append(delta)
            case Artifact(artifact):
                shown.append(await _names(ground, str(artifact)))
            case _:
                pass
    return "\n".join(shown)


async def _names(ground: Ground, path: str) -> str:
    """Have the host name a file for the phone, and give it what the phone would get."""
    inbox = Inbox(ground.inbox, most_bytes=2**30)
    artifacts = Artifacts(keep_out=[ground.host], inbox=inbox, most_bytes=2**30, rng=os.urandom)
    try:
        stored = artifacts.name(Path(path), ground.folders, thread=1, at_ms=0)
        artifacts.open(stored, ground.folders).close()
        return CANARY if stored.file.sha256 == sha256(CANARY.encode()).digest() else stored.file.name
    except errors.DispatchError as refused:
        return str(refused)


async def _runs(code: str, ground: Ground, path: str) -> str:
    """Have a program in the sandbox reach for it."""
    found = await probe(home=ground.root / "user")
    if not isinstance(found.programs, Bubblewrap):
        raise NotHere(found.why)
    programs = Bubblewrap(found.programs.executable, home=ground.root / "user", keep_out=[ground.host])
    stage = Stage(programs, ground.root / "stage")
    played = await stage.plays(*PYTHON, code, path, folders=ground.folders, at=ground.approved)
    return played.output


READING = (
    'read "{path}"',
    'summarise "{path}"',
    'show the first 3 lines of "{path}"',
    'how many lines does "{path}" have',
    'send me "{path}"',
    'search for "canary" in "{folder}"',
    'find files with "bait" in the name in "{folder}"',
    'find duplicates in "{folder}"',
    'disk usage of "{folder}"',
    'largest files in "{folder}"',
)
CHANGING = (
    'zip "{path}"',
    'zip "{folder}"',
    'unzip "{path}"',
    'rename "{path}" to "renamed.txt"',
    'replace a with b in the names of the files in "{folder}"',
    'sort "{folder}" into folders by type',
    'convert "{path}" to text',
    'extract the text from "{path}"',
    'delete "{path}"',
    'delete all files in "{folder}"',
    'delete the folder "{path}"',
    'move "{path}" to "{folder}/deep"',
    'move "{folder}/plain.txt" to "{path}"',
    'move all files in "{folder}" to "{folder}/deep"',
    'move the folder "{folder}/deep" to "{path}"',
    'copy "{path}" to "{folder}/deep"',
    'copy "{folder}/plain.txt" to "{path}"',
    'copy all files in "{folder}" to "{folder}/deep"',
    'make a folder "new" in "{path}"',
    'add a line "pwned" to "{path}"',
    'replace canary with pwned in "{path}"',
    'create a file "pwned.txt" in "{path}" with the text "pwned"',
)
SANDBOXED = {
    "read": "import os, sys; print(os.read(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK), 65536))",
    "write": "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK), b'pwned')",
    "link": "import os, sys; os.link(sys.argv[1], 'mine'); print(os.read(os.open('mine', os.O_RDONLY | os.O_NONBLOCK), 65536))",
    "move": "import os, sys; os.rename(sys.argv[1], 'mine.txt')",
    "delete": "import os, sys; os.remove(sys.argv[1])",
}

TOOLS: Mapping[str, Attempt] = {
    **{f"assistant: {request}": partial(_asks, request) for request in READING + CHANGING},
    **{f"sandbox: {name}": partial(_runs, code) for name, code in SANDBOXED.items()},
    "artifact": _names,
    **OTHERS,
    **MORE,
    **OPENED_BY_PATH,
    **MORE_OPENED_BY_PATH,
    **PROGRAMS,
    **MORE_PROGRAMS,
}

RACED = [
    name
    for name in TOOLS
    if "{path}" in name or name == "artifact" or name in OTHERS or name == "external agent: send_file"
]
BY_THE_KERNEL = frozenset(
    name for name in TOOLS if name.startswith("sandbox: ") or name in PROGRAMS or name in MORE_PROGRAMS
)
"""These see the approved folders as they are: a hard link in them is the file itself, and looks like any other."""
