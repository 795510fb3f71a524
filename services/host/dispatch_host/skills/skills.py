"""The skills of a host: a toolbox for a language model, and the owner's list of them. docs/skills.md.

Read anew whenever they are asked for, so that what changes is there without a restart. Only the owner puts skills here: what
agents may write to holds none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dispatch.plain import plain

from dispatch_host.agents import places
from dispatch_host.agents.asking import JSON, RULE_BYTES, Approval, Denied, NobodyAnswered, canonical
from dispatch_host.agents.given import Given, choice, listed, schema, words
from dispatch_host.agents.places import NoPlace
from dispatch_host.agents.terminal import NoSandbox, Terminal
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work
from dispatch_host.markdown import code, fenced
from dispatch_host.permissions.permission import NETWORK, TERMINAL
from dispatch_host.sandbox.program import Exit, NoProgram, Output
from dispatch_host.scope import Folder, KeptOut, shown, visible
from dispatch_host.scope.given import given
from dispatch_host.scope.theirs import agents_may_write_to, where_agents_write
from dispatch_host.skills.shelf import Found, NotRead, copied, digest, files_of, found_in, read

TEXT_BYTES = 64 * 1024
OUTPUT_BYTES = 32 * 1024
_ABOUT_BYTES = 16 * 1024
_FILES_SHOWN = 100
_ARGUMENTS = 64
_BY_ENDING = {".py": ("python3",), ".sh": ("sh",), ".bash": ("bash",), ".js": ("node",), ".mjs": ("node",)}


@dataclass(frozen=True, slots=True)
class _Script:
    """What is to be run."""

    skill: Found
    path: str
    digest: str  # of the whole skill, in hexadecimal: a script runs others that lie beside it
    words: Sequence[str]
    start: Path


class Skills:
    """The skills of one host. As a `Toolbox`."""

    def __init__(
        self,
        shelves: Callable[[], Sequence[Path]],
        *,
        terminal: Terminal,
        agents_own: Callable[[], Sequence[Path]],
        home: Path,
        keep_out: Sequence[KeptOut],
    ) -> None:
        """`shelves` gives the folders that skills lie in now; of two with the same name the first counts.

        `agents_own` gives the folders that external agents have for themselves, to change. `home` is what `~` means, and
        `keep_out` what is neither read nor copied, though it lie in a skill.
        """
        self._shelves = shelves
        self._agents_own = agents_own
        self._terminal = terminal
        self._home = home
        self._keep_out = keep_out

    def found(self, folders: Sequence[Folder] = ()) -> list[Found]:
        """List all, the bad ones with what is wrong: a skill that agents may write to is no skill of the owner's."""
        places = where_agents_write(folders, self._agents_own())
        seen: dict[str, Path] = {}
        every: list[Found] = []
        for shelf in self._shelves():
            for skill in found_in(shelf, self._keep_out):
                wrong = list(skill.wrong)
                if agents_may_write_to(skill.folder, places):
                    wrong.append("agents may write to it")
                if skill.name in seen:
                    wrong.append(f"there is one of this name in {seen[skill.name]}")
                if not wrong:
                    seen[skill.name] = shelf
                every.append(replace(skill, wrong=wrong))
        return every

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give what there is to load, read and run; nothing without a skill."""
        good = await self._good(work)
        if not good:
            return []
        names = [skill.name for skill in good]
        told, cut = "", 0
        for skill in good:
            line = f"\n- {skill.name}: {plain(skill.about)}"
            if len((told + line).encode()) > _ABOUT_BYTES:
                cut += 1
            else:
                told += line
        more = f"\n{cut} more are left out." if cut else ""
        which = choice("The skill.", *names)
        found = [
            Tool(
                "load_skill",
                f"Load the instructions of a skill before you do what it is for. The skills:{told}{more}",
                schema(("name",), name=which),
                self._load,
            ),
            Tool(
                "read_skill_file",
                "Read a file of a skill.",
                schema(("name", "path"), name=which, path=words("The file, as load_skill lists it.")),
                self._read,
            ),
        ]
        if work.gate.has(TERMINAL) and work.gate.folders:
            about = "Run a script of a skill, in the sandbox, in one of the approved folders. The person is asked."
            takes = schema(
                ("name", "path", "folder"),
                name=which,
                path=words("The script, as load_skill lists it."),
                arguments=listed("What it is given, each word for itself."),
                folder=words("The folder that it starts in."),
            )
            found.append(Tool("run_skill_script", about, takes, self._run))
        return found

    async def _good(self, work: Work) -> list[Found]:
        return [skill for skill in await asyncio.to_thread(self.found, work.gate.folders) if not skill.wrong]

    async def _named(self, name: str, work: Work) -> Found:
        skill = next((one for one in await self._good(work) if one.name == name), None)
        if skill is None:
            raise ToolFailed("There is no skill of this name.")
        return skill

    async def _load(self, arguments: Mapping[str, JSON], work: Work) -> str:
        taken = Given(arguments)
        name = taken.needed("name")
        taken.done()
        skill = await self._named(name, work)
        with _reading():
            files = await asyncio.to_thread(files_of, skill)
        shown_files = "\n".join(f"- {plain(path)}" for path in files[:_FILES_SHOWN])
        more = f"\n{len(files) - _FILES_SHOWN} more." if len(files) > _FILES_SHOWN else ""
        return f"{_cut(skill.body.encode())}\n\nThe files of the skill, for read_skill_file:\n{shown_files}{more}"

    async def _read(self, arguments: Mapping[str, JSON], work: Work) -> str:
        taken = Given(arguments)
        name, path = taken.needed("name"), taken.needed("path")
        taken.done()
        skill = await self._named(name, work)
        with _reading():
            return _cut(await asyncio.to_thread(read, skill, path))

    async def _run(self, arguments: Mapping[str, JSON], work: Work) -> str:
        """Run a script as it is when the person says yes."""
        taken = Given(arguments)
        name, path, folder = taken.needed("name"), taken.needed("path"), taken.needed("folder")
        handed = taken.texts("arguments", most=_ARGUMENTS, longest=TEXT_BYTES)
        taken.done()
        skill = await self._named(name, work)
        start = await self._start(folder, work)
        async with contextlib.AsyncExitStack() as stack:
            with _reading():
                theirs = where_agents_write(work.gate.folders, self._agents_own())
                where = (Path(tempfile.gettempdir()), self._home / ".cache", self._home)
                copying = copied(skill, where=where, theirs=theirs)
                copy = await asyncio.to_thread(stack.enter_context, copying)
                await asyncio.to_thread(read, replace(skill, shelf=copy.parent, name=copy.name), path)
                whole = await asyncio.to_thread(digest, copy)
            try:
                confined = await self._terminal.is_confined(work.gate, _subject(skill.name, path))
            except NoSandbox as missing:
                raise ToolFailed(f"Scripts can't be run here: {missing.why}") from None
            if not confined:
                raise ToolFailed("Scripts of skills run in the sandbox only, and there is none.")
            run = _Script(skill, path, whole, handed, start)
            question = self._question(run, work)
            reply = await work.ask.may(question)
            if isinstance(reply, Denied):
                raise ToolFailed("The person said no. The script was not run.")
            if isinstance(reply, NobodyAnswered):
                raise ToolFailed("Nobody answered whether it may be run. The script was not run.")
            # A folder around it may have been approved meanwhile.
            if await asyncio.to_thread(digest, copy) != whole:
                raise ToolFailed(
                    "Its copy is another by now than the one that was asked about. The script was not run."
                )
            return await self._carry_out(question.action, copy, work)

    async def _start(self, said: str, work: Work) -> Path:
        """Find where a script starts. Raises ToolFailed."""
        folders = work.gate.folders
        try:
            return await asyncio.to_thread(places.start, said, folders, home=self._home, keep_out=self._keep_out)
        except NoPlace as none:
            raise ToolFailed(str(none)) from None

    def _question(self, run: _Script, work: Work) -> Approval:
        """Ask for exactly this script with exactly these words, in the folders that it starts in and that they name."""
        online = work.gate.has(NETWORK)
        folders = given(run.start, run.words, work.gate.folders, home=self._home)
        action: JSON = {
            "do": "run_skill_script",
            "skill": run.skill.name,
            "path": run.path,
            "digest": run.digest,
            "arguments": list(run.words),
            "folder": str(run.start),
            "folders": places.to_json(folders),
            "network": online,
        }
        line = shlex.join([_subject(run.skill.name, run.path), *run.words])
        how = ["in the sandbox", "with the network" if online else "without the network"]
        may = partial(places.rights, folders, home=self._home, confined=True)
        at = places.where(run.start, self._home)
        rule = ", ".join(
            [f"run {visible(line)} in {shown(at)}", *how, *may(shown), f"as the skill is now ({run.digest[:8]})"]
        )
        fits = "\n" not in line and len(rule.encode(errors="replace")) <= RULE_BYTES
        return Approval(
            text=f"Run the script {code(run.path)} of the skill {code(run.skill.name)}?",
            action=canonical(action),
            preview="\n\n".join(
                [fenced(line), ", ".join([f"in {code(at)}", *how]), *(f"It {one}." for one in may(code))]
            ),
            rule=rule if fits else "",
            permission=TERMINAL,
            also=(NETWORK,) if online else (),
            of=action,
        )

    async def _carry_out(self, action: bytes, copy: Path, work: Work) -> str:
        said = json.loads(action)
        command = [*_interpreter(said["path"]), str(copy / said["path"]), *said["arguments"]]
        output, ended = b"", None
        running = self._terminal.run_program(
            command,
            Path(said["folder"]),
            gate=work.gate,
            network=said["network"],
            folders=places.from_json(said["folders"]),
            own=[Folder(copy)],
            variables={"SKILL_FOLDER": str(copy)},
            subject=_subject(said["skill"], said["path"]),
        )
        try:
            async with contextlib.aclosing(running) as events:
                async for event in events:
                    if isinstance(event, Output):
                        output = (output + event.data)[-OUTPUT_BYTES:]
                    elif isinstance(event, Exit):
                        ended = event
        except NoProgram as cannot:
            raise ToolFailed(f"The script was not run: {cannot}.") from None
        except NoSandbox as missing:
            raise ToolFailed(f"The script was not run: {missing.why}") from None
        how = "it ended" if ended is None else f"{ended.ended}, code {ended.code}"
        return json.dumps({"end": how, "output": plain(output.decode(errors="replace"))}, ensure_ascii=False)


def _subject(skill: str, path: str) -> str:
    """Name a script as the question and the audit log do: which interpreter it takes says nothing."""
    return f"{skill}/{path}"


def _interpreter(path: str) -> Sequence[str]:
    return _BY_ENDING.get(Path(path).suffix, ("sh",))


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except NotRead as why:
        raise ToolFailed(f"It can't be read: {why}.") from None


def _cut(content: bytes) -> str:
    text = plain(content[:TEXT_BYTES].decode(errors="replace"))
    return text + (f"\n… and {len(content) - TEXT_BYTES} bytes more." if len(content) > TEXT_BYTES else "")
