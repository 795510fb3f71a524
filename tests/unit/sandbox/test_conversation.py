"""Programs that are spoken to: their three pipes, what is theirs alone, and their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from dispatch_host.sandbox.program import Conversation, Ended, Exit, Limits, NoProgram, Program
from dispatch_host.scope import Folder

from tests.support.programs import PYTHON, Stage
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.unit.sandbox.test_limits import running

ECHO = """\
import sys
print("a complaint", file=sys.stderr, flush=True)
for line in sys.stdin:
    print("heard", line.strip(), flush=True)
print("over", flush=True)
"""


def talk(
    stage: Stage, *argv: str, limits: Limits | None = None, **more: object
) -> AbstractAsyncContextManager[Conversation]:
    program = Program(argv, stage.folder, **more)  # type: ignore[arg-type]
    folders = [Folder(stage.folder, writable=True)]
    return stage.programs.converse(program, folders=folders, network=False, limits=limits or Limits())


async def line_of(conversation: Conversation) -> str:
    """Read one line of what a program says."""
    said = b""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not said.endswith(b"\n"):
            more = await conversation.read()
            assert more, (said, conversation.complaint)
            said += more
    return said.decode().strip()


async def say_for_ever(conversation: Conversation) -> None:
    while True:
        await conversation.write(b"x" * 65536)


def arguments_of_all() -> bytes:
    """Give the arguments of all that runs on this computer."""
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes()
    return found


async def test_it_hears_and_answers_and_its_complaints_are_apart(either: Stage) -> None:
    async with talk(either, *PYTHON, ECHO) as echo:
        for word in ("one", "two"):
            await echo.write(f"{word}\n".encode())
            assert await line_of(echo) == f"heard {word}"
        await until(lambda: b"a complaint" in echo.complaint)


async def test_leaving_it_kills_all_of_it(either: Stage) -> None:
    code = "import os, sys; os.fork() or os.setsid(); print('up', flush=True); sys.stdin.read(); __import__('time').sleep(600)"

    async with talk(either, *PYTHON, code, f"--left-behind-{os.getpid()}") as echo:
        assert (await line_of(echo)).startswith("up")
        assert running(f"--left-behind-{os.getpid()}")

    assert not running(f"--left-behind-{os.getpid()}")


async def test_its_own_end_is_told_with_its_code(either: Stage) -> None:
    async with talk(either, *PYTHON, "import sys; sys.exit(7)") as echo:
        assert await echo.read() == b""
        assert await echo.exit() == Exit(Ended.EXITED, 7)
        with pytest.raises(BrokenPipeError):
            await say_for_ever(echo)


async def test_a_program_that_does_not_read_holds_up_nobody_but_its_writer(either: Stage) -> None:
    async with talk(either, *PYTHON, "import time; print('up', flush=True); time.sleep(600)") as deaf:
        assert await line_of(deaf) == "up"
        shouting = asyncio.create_task(say_for_ever(deaf))
        await asyncio.wait([shouting], timeout=0.1)
        assert not shouting.done()
        shouting.cancel()


async def test_one_that_writes_without_end_is_ended(either: Stage) -> None:
    async with talk(either, *PYTHON, "while True: print('x' * 1000)", limits=Limits(output_bytes=100_000)) as loud:
        while await loud.read():
            pass
        assert (await loud.exit()).ended is Ended.TOO_MUCH_OUTPUT
        assert await loud.read() == b""


async def test_its_variables_reach_it_and_are_in_nobodys_arguments(either: Stage) -> None:
    code = "import os, sys; print(os.environ['THE_KEY'], os.environ['HOME'], flush=True); sys.stdin.read()"

    async with talk(either, *PYTHON, code, "--keyed", variables={"THE_KEY": "a=secret word"}) as keyed:
        assert await line_of(keyed) == f"a=secret word {either.home}"
        assert b"--keyed" in arguments_of_all()
        assert b"secret word" not in arguments_of_all()


@pytest.mark.parametrize("variables", [{"A=B": "x"}, {"": "x"}, {"A": "x\0y"}])
async def test_variables_that_could_be_something_else_start_nothing(either: Stage, variables: dict[str, str]) -> None:
    with pytest.raises(NoProgram):
        async with talk(either, "true", variables=variables):
            pass


async def test_in_the_sandbox_its_own_folders_are_there_and_what_is_beside_them_is_not(stage: Stage) -> None:
    own, settings = stage.home / "tool" / "bin", stage.home / ".tool"
    for folder in (own, settings):
        folder.mkdir(parents=True)
    (own / "word").write_text("mine")
    code = f"""if True:
        import os, pathlib
        def may(call):
            try: return str(call())
            except OSError as error: return os.strerror(error.errno)
        print(may(lambda: pathlib.Path({str(own / "word")!r}).read_text()),
              may(lambda: pathlib.Path({str(own / "new")!r}).write_text("x")),
              may(lambda: pathlib.Path({str(settings / "new")!r}).write_text("x")),
              may(lambda: pathlib.Path({str(stage.secret)!r}).read_text()), sep="|")
    """

    async with talk(stage, *PYTHON, code, own=[Folder(own), Folder(settings, writable=True)]) as tool:
        assert await line_of(tool) == "mine|Read-only file system|1|No such file or directory"


async def test_a_program_that_is_let_go_is_gone_however_often_that_is_cancelled(either: Stage) -> None:
    """Cancelled a second time, whoever held the keeper went on without it, and it was left until the loop ended."""
    before = asyncio.all_tasks()
    begun = asyncio.Event()

    async def holds() -> None:
        async with talk(either, *PYTHON, "import time; print('up', flush=True); time.sleep(600)") as conversation:
            await line_of(conversation)
            begun.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(holds())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await begun.wait()
        while not holding.done():
            holding.cancel()
            await asyncio.sleep(0)

    assert holding.cancelled()
    assert asyncio.all_tasks() == before
