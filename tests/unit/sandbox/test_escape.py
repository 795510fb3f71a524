"""Whatever a hostile program tries, it reaches what it was given and nothing else. docs/permissions.md, the sandbox."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dispatch
import dispatch_host
import pytest
from dispatch_host.sandbox import kernel
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.program import NoProgram
from dispatch_host.sandbox.seccomp import REFUSED, TYPED
from dispatch_host.scope import Folder
from dispatch_host.scope.own_code import holds_any, own_code

from tests.support.programs import Stage

GONE = "ENOENT"


async def test_a_program_works_in_the_approved_folder(stage: Stage) -> None:
    (stage.folder / "in.txt").write_text("hello")

    said = await stage.says("open('out.txt', 'w').write(open('in.txt').read() * 2); say(os.getcwd())")

    assert said == str(stage.folder)
    assert (stage.folder / "out.txt").read_text() == "hellohello"


async def test_the_rest_of_the_home_is_not_there(stage: Stage) -> None:
    said = await stage.says(
        "say(os.path.expanduser('~'), os.listdir(os.path.expanduser('~')), reached(open, sys.argv[1]))",
        str(stage.secret),
    )

    assert said == [str(stage.home), ["code"], GONE]


async def test_nothing_else_of_the_computer_is_there(stage: Stage) -> None:
    """No sockets of the desktop's bus, of container engines or agents of keys; no other people's folders, no shadow file."""
    said = await stage.says(
        """
there = ["/run", "/var", "/root", "/home", "/opt", "/srv", "/mnt", "/media", "/boot", "/sys", "/etc/shadow", "/etc/ssh"]
own = os.path.expanduser("~")
say([path for path in there if os.path.lexists(path) and not own.startswith(path)], os.environ.get("SSH_AUTH_SOCK"))"""
    )

    assert said == [[], None]


async def test_it_writes_nowhere_else(stage: Stage) -> None:
    read_only = stage.home / "library"
    read_only.mkdir()
    said = await stage.says(
        """
places = [sys.argv[1], "/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/proc/sys/kernel"]
say([reached(open, place + "/written", "w") for place in places])""",
        str(read_only),
        folders=[Folder(stage.folder, writable=True), Folder(read_only)],
    )

    assert set(said) <= {"EROFS", "EACCES", "ENOENT", "EPERM"}
    assert not (read_only / "written").exists()


async def test_a_folder_for_reading_is_not_remounted_for_writing(stage: Stage) -> None:
    said = await stage.says(
        """
libc = ctypes.CDLL(None, use_errno=True)
done = libc.mount(None, os.getcwd().encode(), None, 0x1020, None)  # MS_REMOUNT | MS_BIND
say(done, reached(open, "written", "w"))""",
        folders=[Folder(stage.folder)],
    )

    assert said == [-1, "EROFS"]


async def test_what_is_kept_out_is_empty_whatever_is_approved(stage: Stage) -> None:
    """And stays so: no folder above it can be moved away from under it, now or for the next program."""
    keys = stage.folder / "keys"
    (keys / "device.key").write_text("the secret")

    said = await stage.says(
        """
keys = sys.argv[1] + "/code/keys"
say(os.listdir(keys), reached(open, keys + "/device.key"), reached(open, keys + "/new", "w"),
    reached(os.rename, keys, keys + "2"), reached(os.rename, sys.argv[1] + "/code", sys.argv[1] + "/moved"))""",
        str(stage.home),
        folders=[Folder(stage.home, writable=True), Folder(stage.folder, writable=True)],
    )

    assert said[0] == []
    assert said[1] == GONE
    assert set(said[2:]) <= {"EROFS", "EBUSY", "EACCES"}
    assert keys.is_dir()


async def test_no_folder_above_what_is_kept_out_can_be_renamed(stage: Stage) -> None:
    """Between the approved folder and the kept one: a renamed parent would show the keys to the next program."""
    said = await stage.says(
        "say(reached(os.rename, sys.argv[1] + '/code', sys.argv[1] + '/moved'))",
        str(stage.home),
        folders=[Folder(stage.home, writable=True)],
    )

    assert said == "EBUSY"


async def test_a_program_does_not_start_in_what_is_kept_out(stage: Stage) -> None:
    with pytest.raises(NoProgram):
        await stage.plays("true", at=stage.folder / "keys")


async def test_a_nested_folder_keeps_its_own_right(stage: Stage) -> None:
    inner = stage.folder / "a" / "library"
    inner.mkdir(parents=True)

    said = await stage.says(
        """
say(reached(open, "a/library/written", "w"), reached(os.rename, "a", "b"), reached(os.rename, "a/library", "c"),
    bool(open("written", "w")))""",
        folders=[Folder(stage.folder, writable=True), Folder(inner)],
    )

    assert said == ["EROFS", "EBUSY", "EXDEV", True]


async def test_links_lead_nowhere(stage: Stage) -> None:
    (stage.folder / "link").symlink_to(stage.secret)
    (stage.folder / "up").symlink_to("../secret.txt")

    said = await stage.says("say(reached(open, 'link'), reached(open, 'up'), reached(open, '../secret.txt'))")

    assert said == [GONE, GONE, GONE]


async def test_an_approved_folder_that_became_a_link_is_not_followed(stage: Stage) -> None:
    inner = stage.folder / "x"
    inner.symlink_to(stage.home)

    said = await stage.says(
        "say(reached(open, sys.argv[1] + '/secret.txt'))",
        str(inner),
        folders=[Folder(stage.folder, writable=True), Folder(inner, writable=True)],
    )

    assert said == GONE


@pytest.mark.big
async def test_a_swap_while_a_program_starts_never_shows_the_secret(stage: Stage) -> None:
    inner, aside = stage.folder / "x", stage.folder / "aside"
    inner.mkdir()
    (inner / "secret.txt").write_text("mine")

    with swapping(inner, aside, stage.home):
        for _ in range(60):
            played = await stage.plays("cat", str(inner / "secret.txt"), folders=[Folder(inner), Folder(stage.folder)])
            assert "the secret" not in played.output


@contextmanager
def swapping(folder: Path, aside: Path, target: Path) -> Iterator[None]:
    """Have a thread put a link in a folder's place and the folder back, without end."""
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            os.rename(folder, aside)
            os.symlink(target, folder)
            os.unlink(folder)
            os.rename(aside, folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("path", ["/", "/proc", "/dev", "/sys", "/run"])
async def test_some_folders_are_never_given(stage: Stage, path: str) -> None:
    with pytest.raises(NoProgram):
        await stage.plays("true", folders=[Folder(Path(path), writable=True)], at=Path(path))


@pytest.mark.parametrize("where", ["../..", "home/code", "/etc"])
async def test_a_program_starts_in_an_approved_folder_only(stage: Stage, where: str) -> None:
    with pytest.raises(NoProgram):
        await stage.plays("true", at=stage.folder / where if where != "home/code" else Path(where))


async def test_the_caller_s_environment_is_nowhere(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in its own, and not in that of the process above it, where --clearenv of bubblewrap leaves it."""
    monkeypatch.setenv("DISPATCH_TEST_CANARY", "the-canary")

    said = await stage.says(
        """
seen = ""
for pid in filter(str.isdigit, os.listdir("/proc")):
    seen += reached(lambda: open(f"/proc/{pid}/environ", errors="replace").read())
say(sorted(os.environ), "CANARY" in seen or "canary" in seen)"""
    )

    assert said[1] is False
    assert set(said[0]) <= {
        *("GIT_TERMINAL_PROMPT", "HOME", "LANG", "PATH", "PWD", "PYTHONUNBUFFERED", "SHELL", "TERM", "LC_CTYPE"),
    }


async def test_other_processes_are_not_there(stage: Stage) -> None:
    said = await stage.says(
        f"""
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace(16, {os.getpid()}, 0, 0)  # PTRACE_ATTACH
say(len(pids), errno.errorcode[ctypes.get_errno()], reached(os.kill, {os.getpid()}, 0))"""
    )

    assert said[0] <= 4
    assert said[1:] == ["ESRCH", "ESRCH"] or os.getpid() < 10


async def test_loopback_is_not_reached_without_the_network_and_is_with_it(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = f"say(reached(lambda: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5).close()))"

        assert await stage.says(call) == "ECONNREFUSED"
        assert await stage.says(call, network=True) == "None"


@pytest.mark.parametrize("network", [False, True])
async def test_abstract_sockets_are_not_reached(stage: Stage, network: bool) -> None:
    """They belong to the network, and the desktop's bus listens on one."""
    if network and not kernel.can_scope_sockets():
        pytest.skip("this kernel can't keep them from who may use the network (docs/permissions.md)")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0dispatch-test-{os.getpid()}")
        server.listen()

        said = await stage.says(
            f"say(reached(socket.socket(socket.AF_UNIX).connect, '\\0dispatch-test-{os.getpid()}'))",
            network=network,
            sockets=True,
        )

    assert said in ("ECONNREFUSED", "EPERM")


@pytest.mark.parametrize("writable", [False, True])
async def test_a_socket_in_a_folder_is_not_reached_without_the_network(stage: Stage, *, writable: bool) -> None:
    """A container engine's, or that of an agent of keys: being read-only keeps nobody from connecting."""
    folders = [Folder(stage.folder, writable=writable)]
    call = "say(reached(lambda: socket.socket(socket.AF_UNIX).connect('docker.sock')))"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stage.folder / "docker.sock"))
        server.listen()

        assert await stage.says(call, folders=folders) == "EAFNOSUPPORT"
        assert await stage.says(call, folders=folders, network=True) == "None"
        assert await stage.says(call, folders=folders, sockets=True) == "None"


async def test_no_socket_is_made_that_reaches_past_the_network_it_has(stage: Stage) -> None:
    """AF_VSOCK, to the hypervisor, and whatever else a network namespace does not keep apart."""
    made = await stage.says(
        """
found = []
for family in range(64):
    for kind in (1, 2, 3, 5):
        if not reached(socket.socket, family, kind).startswith("E"):
            found.append(family)
say(sorted(set(found)))""",
        network=True,
    )

    assert set(made) <= {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}


async def test_what_programs_do_with_sockets_among_themselves_works_on(stage: Stage) -> None:
    said = await stage.says(
        """
import asyncio, multiprocessing
def double(n): return 2 * n
async def ask():
    done = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
    return (await done.communicate())[0].decode()
with multiprocessing.get_context("fork").Pool(2) as pool:
    say(pool.map(double, [1, 2]), asyncio.run(ask()))"""
    )

    assert said == [[2, 4], "hello\n"]


@pytest.mark.parametrize("program", ["git", "make", "node", "npm"])
async def test_usual_tools_work_on(stage: Stage, program: str) -> None:
    if shutil.which(program, path="/usr/bin:/bin:/usr/local/bin") is None:
        pytest.skip(f"{program} is not installed")
    (stage.folder / "Makefile").write_text("all: one two\none two:\n\t@echo $@ > $@.txt\n")
    (stage.folder / "package.json").write_text('{"name": "x", "scripts": {"test": "node tell.js"}}')
    (stage.folder / "tell.js").write_text(
        "const n = require('child_process').fork('child.js'); n.on('message', m => { console.log(m); n.disconnect(); });"
    )
    (stage.folder / "child.js").write_text("process.send('worked')")
    words = {
        "git": (
            "sh",
            "-c",
            "git init -q . && git add Makefile && git -c user.name=A -c user.email=a@b commit -qm x && echo worked",
        ),
        "make": ("sh", "-c", "make -j2 && grep -q two two.txt && echo worked"),
        "node": ("node", "tell.js"),
        "npm": ("npm", "test", "--silent"),
    }

    assert (await stage.plays(*words[program])).output.strip() == "worked"


async def test_nothing_of_the_kernel_is_written(stage: Stage) -> None:
    """What is in core_pattern is started by the kernel, as root and outside. Written here is at most what is there already."""
    said = await stage.says(
        """
def same(path):
    with open(path) as file:
        value = file.read()
    with open(path, "w") as file:
        file.write(value)
say([reached(same, "/proc/sys/kernel/" + name) for name in ("core_pattern", "modprobe")],
    reached(open, "/proc/sysrq-trigger", "w"))"""
    )

    assert set(said[0]) <= {"EROFS", "EACCES", "ENOENT"}
    assert said[1] in ("EROFS", "EACCES", "ENOENT")


async def test_a_file_that_is_kept_out_can_t_be_read_moved_or_written(stage: Stage) -> None:
    passphrase = stage.folder / "private" / "passphrase.txt"
    passphrase.parent.mkdir()
    passphrase.write_text("THE PASSPHRASE")
    programs = keeping_out(stage, passphrase)

    said = await programs.says(
        """
it = "private/passphrase.txt"
say(reached(lambda: open(it).read()), reached(lambda: open(it, "w")), reached(os.rename, it, "mine"),
    reached(os.link, it, "mine"), reached(os.unlink, it), reached(os.rename, "private", "public"))"""
    )

    assert not [one for one in said if "PASSPHRASE" in one or one == "None"]
    assert passphrase.read_text() == "THE PASSPHRASE"


@pytest.mark.parametrize("by", ["gone", "link"])
async def test_nothing_starts_where_what_is_kept_out_can_t_be_hidden(stage: Stage, by: str) -> None:
    """It may come again while the program runs, and would lie open before it."""
    kept = stage.folder / "kept"
    programs = keeping_out(stage, kept)
    if by == "link":
        kept.symlink_to(stage.home)

    with pytest.raises(NoProgram):
        await programs.plays("true")


def keeping_out(stage: Stage, *paths: Path) -> Stage:
    assert isinstance(stage.programs, Bubblewrap)
    return Stage(Bubblewrap(stage.programs.executable, home=stage.home, keep_out=paths), stage.root)


@pytest.mark.parametrize("approved", ["around it", "itself", "within it"])
async def test_the_host_s_own_code_is_never_changed(stage: Stage, approved: str) -> None:
    """It may lie in an approved folder: whatever is written there would run outside of the sandbox."""
    code = stage.folder / "checkout" / "package"
    (code / "inner").mkdir(parents=True)
    (code / "keeper.py").write_text("honest")
    assert isinstance(stage.programs, Bubblewrap)
    programs = Stage(Bubblewrap(stage.programs.executable, home=stage.home, only_read=[code]), stage.root)
    folder = {"around it": stage.folder, "itself": code, "within it": code / "inner"}[approved]

    said = await programs.says(
        """
code = sys.argv[1]
say(reached(open, code + "/keeper.py", "w"), reached(open, code + "/inner/new.pth", "w"), reached(os.rename, code, code + "2"),
    reached(os.rename, os.path.dirname(code), os.path.dirname(code) + "2"))""",
        str(code),
        folders=[Folder(stage.folder), Folder(folder, writable=True)],
    )

    assert set(said) <= {"EROFS", "EBUSY"}
    assert (code / "keeper.py").read_text() == "honest"


def test_the_host_s_own_code_is_where_python_loads_it_from() -> None:
    code = own_code()

    for module in (dispatch_host, dispatch, os):
        assert holds_any(Path(str(module.__file__)).resolve(), code)
    assert holds_any(Path(sys.prefix) / "lib", code)
    assert not holds_any(Path("/nowhere"), code)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="there is no filter for this architecture")
async def test_nothing_is_made_that_is_setuid_outside(stage: Stage) -> None:
    said = await stage.says(
        """
open("program", "w").close()
os.mkdir("folder")
say(reached(os.chmod, "program", 0o4755), reached(os.chmod, "program", 0o2755), reached(os.chmod, "folder", 0o2777),
    reached(lambda: os.fchmod(os.open("program", os.O_RDONLY), 0o4755)),
    reached(os.open, "new", os.O_CREAT | os.O_WRONLY, 0o4755), reached(os.open, ".", os.O_TMPFILE | os.O_WRONLY, 0o4755),
    reached(os.mknod, "node", 0o104755), reached(os.chmod, "program", 0o755))"""
    )

    assert said[:-1] == ["EPERM"] * 7
    assert said[-1] == "None"
    assert not [path for path in stage.folder.iterdir() if path.stat().st_mode & 0o6000]


async def test_there_is_no_terminal_to_type_into(stage: Stage) -> None:
    said = await stage.says(
        """
import fcntl, pty
_, end = pty.openpty()
say(reached(open, "/dev/tty"), reached(fcntl.ioctl, end, 0x5412, b"x"), [os.isatty(n) for n in range(3)])"""
    )

    assert said == ["ENXIO", "EPERM", [False, False, False]]


async def test_no_program_gains_rights(stage: Stage) -> None:
    """No mount honours setuid bits, and nothing gains by exec; there is no capability, and no way to get one by a namespace."""
    said = await stage.says(
        """
facts = dict(line.split(":", 1) for line in open("/proc/self/status"))
mounts = [line.split() for line in open("/proc/self/mountinfo")]
say([mount[4] for mount in mounts if "nosuid" not in mount[5]], facts["NoNewPrivs"].strip(),
    [int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")],
    kernel({"x86_64": 272, "aarch64": 97}[os.uname().machine], 0x10000000))  # unshare(CLONE_NEWUSER)"""
    )

    assert said[:3] == [[], "1", [0, 0, 0, 0, 0]]
    assert said[3] in ("ENOSPC", "EPERM")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make somebody else's setuid program")
async def test_a_setuid_program_is_one_like_any_other(stage: Stage) -> None:
    program = stage.folder / "id"
    shutil.copy("/usr/bin/id", program)
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)

    assert (await stage.plays("./id", "-u")).output == f"{os.getuid()}\n"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="there is no filter for this architecture")
async def test_the_kernel_refuses_what_knows_no_namespaces(stage: Stage) -> None:
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    numbers = {name: REFUSED[name][column] for name in ("keyctl", "add_key", "bpf", "io_uring_setup", "mount", "setns")}

    said = await stage.says(f"say({{name: kernel(number, 0, 0, 0) for name, number in {numbers}.items()}})")

    assert said == dict.fromkeys(numbers, "EPERM")
    assert TYPED["TIOCSTI"] == 0x5412
