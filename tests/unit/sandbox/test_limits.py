"""What a program may use, and that nothing of it stays: the same with and without the sandbox, where nothing else is said."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import textwrap
import threading
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
from dispatch_host.sandbox.program import Ended, Exit, Limits, Output, Program
from dispatch_host.scope import Folder

from tests.support.agents import leaves_nothing
from tests.support.programs import PYTHON, Stage, first_output
from tests.support.waiting import DEADLINE_SECONDS, until

MIB = 1024**2
# A grandchild in a session of its own, whose parent is gone: what a service would do to outlive who started it.
DAEMON = """\
import os, sys, time
mark = sys.argv[1]
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(60)
    os._exit(0)
os.wait()
print("started", flush=True)
"""


def running(mark: str) -> list[int]:
    """List the processes with a word in their arguments, zombies left out, this one too."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """A word that is in the arguments of this test's programs and of no others."""
    return f"mark-{os.getpid()}-{tmp_path.name}"


async def test_exit_codes_and_both_outputs_come_back(either: Stage) -> None:
    async with leaves_nothing():
        played = await either.plays("sh", "-c", "echo one; echo two >&2; echo three; exit 3")

    assert played.output == "one\ntwo\nthree\n"
    assert played.exit == Exit(Ended.EXITED, 3)


async def test_a_program_that_a_signal_ended_says_so(either: Stage) -> None:
    assert (await either.plays("sh", "-c", "kill -9 $$")).exit == Exit(Ended.EXITED, 137)


async def test_a_program_that_is_not_there_was_not_started(either: Stage) -> None:
    played = await either.plays("no-such-program")

    assert played.exit.code in (None, 127)
    assert "no-such-program" in played.output


async def test_arguments_are_words_and_never_a_line(either: Stage) -> None:
    played = await either.plays("printf", "%s|", "a b", "$HOME", "; exit 1", "--", "")

    assert played.output == "a b|$HOME|; exit 1|--||"


async def test_standard_input_is_empty(either: Stage) -> None:
    assert (await either.plays("cat")).exit == Exit(Ended.EXITED, 0)


async def test_output_comes_while_the_program_runs(either: Stage) -> None:
    go = either.folder / "go"
    script = "echo first; while ! [ -e go ]; do sleep 0.01; done; echo last"
    events = either.programs.run(
        Program(("sh", "-c", script), either.folder), folders=[Folder(either.folder)], network=False, limits=Limits()
    )

    async with leaves_nothing(), asyncio.timeout(DEADLINE_SECONDS), aclosing(events):
        assert await first_output(events) == "first\n"
        go.touch()
        assert await first_output(events) == "last\n"
        assert await anext(events) == Exit(Ended.EXITED, 0)


async def test_a_daemon_ends_with_the_program_that_started_it(either: Stage, mark: str) -> None:
    async with leaves_nothing():
        played = await either.plays(*PYTHON, DAEMON, mark)

        assert played.output == "started\n"
        assert running(mark) == []


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_ending_it_kills_the_whole_tree(either: Stage, mark: str, how: str) -> None:
    started = asyncio.Event()

    async def read() -> None:
        script = DAEMON + "time.sleep(600)"
        program = Program((*PYTHON, script, mark), either.folder)
        events = either.programs.run(program, folders=[Folder(either.folder)], network=False, limits=Limits())
        async with aclosing(events):
            async for _ in events:
                started.set()
                if how == "close":
                    return

    async with leaves_nothing():
        reading = asyncio.create_task(read())
        await asyncio.wait_for(started.wait(), DEADLINE_SECONDS)
        if how == "cancel":
            assert running(mark)
            reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

        assert running(mark) == []


HOST = """\
import asyncio, sys
from pathlib import Path
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.program import Limits, Program
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder
bwrap, folder, script, mark = sys.argv[1:]
async def main():
    programs = Bubblewrap(bwrap, home=Path("/nowhere")) if bwrap else Unconfined(home=Path("/nowhere"))
    program = Program(("python3", "-I", "-c", script, mark), Path(folder))
    async for event in programs.run(program, folders=[Folder(Path(folder))], network=False, limits=Limits()):
        print(event.data.decode().strip(), flush=True)
asyncio.run(main())
"""


async def test_programs_die_with_a_host_that_is_killed(either: Stage, mark: str) -> None:
    executable = getattr(either.programs, "executable", "")
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", HOST, executable, str(either.folder), DAEMON + "time.sleep(600)", mark),
        stdout=asyncio.subprocess.PIPE,
    )
    assert host.stdout is not None
    assert await asyncio.wait_for(host.stdout.readline(), DEADLINE_SECONDS) == b"started\n"
    assert len(running(mark)) > 2

    host.send_signal(signal.SIGKILL)
    await host.wait()

    await until(lambda: running(mark) == [])


@pytest.mark.big
async def test_nothing_runs_on_whenever_its_host_is_killed(stage: Stage, mark: str) -> None:
    """Also while bubblewrap is just making the sandbox, when nothing in there has yet asked to die with its parent."""
    executable = getattr(stage.programs, "executable", "")
    script = "import time; time.sleep(600)"
    for step in range(16):
        host = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", HOST, executable, str(stage.folder), script, mark),
            stdout=asyncio.subprocess.DEVNULL,
        )
        # The host, bubblewrap, its child that makes the sandbox, the program: killed as each of them comes.
        await until(partial(_as_many, mark, 1 + step % 4))
        host.send_signal(signal.SIGKILL)
        await host.wait()

        await until(partial(_none, mark))


def _none(mark: str) -> bool:
    return not running(mark)


def _as_many(mark: str, processes: int) -> bool:
    return len(running(mark)) >= processes


async def test_a_program_that_takes_too_long_is_killed(either: Stage, mark: str) -> None:
    async with leaves_nothing():
        played = await either.plays(*PYTHON, DAEMON + "time.sleep(600)", mark, limits=Limits(seconds=1))

        assert played.exit.ended is Ended.OUT_OF_TIME
        assert running(mark) == []


async def test_a_fork_bomb_is_ended_within_the_limit(either: Stage) -> None:
    """By the kernel, which refuses the next process, or by the keeper, which looks a few times a second."""
    bomb = """
import os, signal, time
made = 0
try:
    while True:
        if os.fork() == 0:
            signal.pause()
        made += 1
except OSError:
    print(made)
"""
    async with leaves_nothing():
        played = await either.plays(*PYTHON, bomb, limits=Limits(processes=40, seconds=50))

    if played.exit.ended is Ended.EXITED:
        assert int(played.output) < 40
    else:
        assert played.exit.ended is Ended.TOO_MANY_PROCESSES


async def test_a_process_gets_no_more_memory_than_is_allowed(either: Stage) -> None:
    script = f"try: bytearray({200 * MIB})\nexcept MemoryError: print('refused')"

    played = await either.plays(*PYTHON, script, limits=Limits(memory_bytes=100 * MIB))

    assert played.output == "refused\n"


async def test_many_processes_get_no_more_memory_together(either: Stage) -> None:
    script = f"""
import os, signal
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(os.urandom(1)) * {40 * MIB}
        signal.pause()
signal.pause()
"""
    async with leaves_nothing():
        played = await either.plays(*PYTHON, script, limits=Limits(memory_bytes=100 * MIB, seconds=50))

    assert played.exit.ended is Ended.OUT_OF_MEMORY


HIDDEN = {  # each takes 96 MiB, and waits
    "shared": "held = mmap.mmap(-1, 96 << 20)\nfor _ in range(96): held.write(bytes(1 << 20))",
    "in a file in memory": "held = os.memfd_create('x')\nfor _ in range(96): os.write(held, bytes(1 << 20))",
}


@pytest.mark.parametrize("how", HIDDEN)
async def test_memory_that_is_no_process_s_alone_counts_too(either: Stage, how: str) -> None:
    script = f"import mmap, os, signal\n{HIDDEN[how]}\nsignal.pause()"

    async with leaves_nothing():
        played = await either.plays(*PYTHON, script, limits=Limits(memory_bytes=64 * MIB, seconds=50))

    assert played.exit.ended is Ended.OUT_OF_MEMORY


@pytest.mark.parametrize("place", ["/tmp", "~", "/dev/shm"])  # noqa: S108 -- the program's own
async def test_files_in_memory_count_too(stage: Stage, place: str) -> None:
    script = f"""
import os, signal
with open(os.path.expanduser({place!r}) + "/big", "wb", buffering=0) as file:
    for _ in range(48):
        file.write(bytes({MIB}))
signal.pause()
"""
    async with leaves_nothing():
        played = await stage.plays(*PYTHON, script, limits=Limits(memory_bytes=40 * MIB, seconds=50))

    assert played.exit.ended is Ended.OUT_OF_MEMORY


async def test_memory_that_many_share_counts_once(either: Stage) -> None:
    script = f"""
import mmap, os, time
held = mmap.mmap(-1, {20 * MIB})
for _ in range(20): held.write(bytes({MIB}))
end = os.pipe()
for _ in range(6):
    if os.fork() == 0:
        held.seek(0)
        while held.read({MIB}): pass
        os.write(end[1], b"x")
        time.sleep(600)
got = 0
while got < 6: got += len(os.read(end[0], 6))
time.sleep(1)  # the keeper looks five times a second
print("well")
"""
    async with leaves_nothing():
        played = await either.plays(*PYTHON, script, limits=Limits(memory_bytes=100 * MIB))

    assert (played.output, played.exit) == ("well\n", Exit(Ended.EXITED, 0))


async def test_the_program_comes_after_its_keeper(either: Stage) -> None:
    """Whatever it does with the processors, whoever has to end it gets them first."""
    assert (await either.plays(*PYTHON, "import os; print(os.nice(0))")).output == f"{os.nice(0) + 10}\n"


async def test_an_output_that_was_handed_out_holds_nobody_up(either: Stage) -> None:
    """By a socket, to somebody outside who keeps it open: the program's end counts, with all that it wrote."""
    code = """
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("out")
socket.send_fds(s, [b"x"], [1])
print("all of it")
"""
    kept: list[int] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(either.folder / "out"))
        server.listen()
        taking = threading.Thread(target=take, args=(server, kept))
        taking.start()
        try:
            async with leaves_nothing(), asyncio.timeout(DEADLINE_SECONDS):
                played = await either.plays(*PYTHON, code, sockets=True)
        finally:
            taking.join(DEADLINE_SECONDS)
            for descriptor in kept:
                os.close(descriptor)

    assert kept
    assert (played.output, played.exit) == ("all of it\n", Exit(Ended.EXITED, 0))


def take(server: socket.socket, kept: list[int]) -> None:
    """Take the descriptors that the first caller hands over, and hold them."""
    with server.accept()[0] as caller:
        kept += socket.recv_fds(caller, 1, 4)[1]


async def test_a_file_has_a_largest_size(either: Stage) -> None:
    script = f"""
import errno, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open("big", "wb", buffering=0) as file:
        for _ in range(8):
            file.write(bytes({MIB}))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    played = await either.plays(*PYTHON, script, limits=Limits(file_bytes=4 * MIB))

    assert played.output == "EFBIG\n"
    assert (either.folder / "big").stat().st_size == 4 * MIB


async def test_a_flood_of_output_ends_it(either: Stage) -> None:
    async with leaves_nothing():
        played = await either.plays("yes", limits=Limits(output_bytes=MIB))

    assert played.exit.ended is Ended.TOO_MUCH_OUTPUT
    assert len(played.output) <= MIB


@pytest.mark.parametrize("place", ["/tmp", "~", "/dev/shm"])  # noqa: S108 -- the program's own
async def test_its_own_places_in_memory_have_a_size(stage: Stage, place: str) -> None:
    script = f"""
import errno, os
try:
    with open(os.path.expanduser({place!r}) + "/big", "wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes({MIB}))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    played = await stage.plays(*PYTHON, script, limits=Limits(scratch_bytes=4 * MIB))

    assert played.output == "ENOSPC\n"


async def test_a_keeper_that_is_killed_takes_the_program_with_it(stage: Stage, mark: str) -> None:
    program = Program((*PYTHON, textwrap.dedent(DAEMON) + "time.sleep(600)", mark), stage.folder)
    events = stage.programs.run(program, folders=[Folder(stage.folder)], network=False, limits=Limits())

    async with leaves_nothing(), asyncio.timeout(DEADLINE_SECONDS), aclosing(events):
        assert isinstance(await anext(events), Output)
        (keeper,) = keepers()
        os.kill(keeper, signal.SIGKILL)

        assert await anext(events) == Exit(Ended.LOST)
        await until(lambda: running(mark) == [])


def keepers() -> list[int]:
    """List the keepers of this process, not those of a test beside it."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if _is_keeper(path)]


def _is_keeper(path: Path) -> bool:
    try:
        parent = (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
        return int(parent) == os.getpid() and b"dispatch_host.sandbox.keeper" in path.read_bytes().split(b"\0")
    except OSError:
        return False
