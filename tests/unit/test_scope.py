"""Nothing leads out of an approved folder: not `..`, not a link, not a race; and nothing in it can hold a tool up."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dispatch_host.scope import (
    Beneath,
    ComponentWalk,
    Entry,
    Facts,
    Folder,
    FolderRefused,
    Hands,
    KeptOut,
    OpenAt2,
    Refusal,
    Refused,
    Scope,
    Tally,
    best_beneath,
    shown,
)

from tests.support.blind import Blind

SECRET = "the secret outside"
BENEATHS = [
    ComponentWalk,
    pytest.param(
        OpenAt2,
        marks=pytest.mark.skipif(best_beneath().name != "openat2", reason="NOT TESTED: this kernel has no openat2"),
    ),
]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder `in` and a secret beside it."""
    root = tmp_path.resolve()
    (root / "secret.txt").write_text(SECRET)
    (root / "in" / "deep" / "er").mkdir(parents=True)
    (root / "in" / "plain.txt").write_text("plain")
    (root / "in" / "deep" / "er" / "low.txt").write_text("low")
    return root


@pytest.fixture(params=BENEATHS)
def beneath(request: pytest.FixtureRequest) -> Beneath:
    made: Beneath = request.param()
    return made


@pytest.fixture
def scope(world: Path, beneath: Beneath) -> Iterator[Scope]:
    with Scope([Folder(world / "in")], beneath=beneath) as scope:
        yield scope


def content(scope: Scope, path: str) -> str:
    with scope.open_file(scope.roots[0], path) as file:
        return file.read().decode()


def refusal(scope: Scope, path: str) -> Refusal:
    with pytest.raises(Refused) as refused:
        scope.open_file(scope.roots[0], path).close()
    return refused.value.reason


def walked(scope: Scope, tally: Tally | None = None) -> set[str]:
    return {entry.path for entry in scope.roots[0].walk("", tally or Tally())}


def check_beneath(beneath: Beneath, world: Path) -> None:
    """Check one implementation of Beneath: what it opens, and with which error it refuses the rest."""
    inside = world / "in"
    (inside / "relative").symlink_to("plain.txt")
    (inside / "up").symlink_to("../secret.txt")
    (inside / "absolute").symlink_to(world / "secret.txt")
    (inside / "itself").symlink_to("itself")
    (inside / "folder").symlink_to("deep")
    (inside / "out").symlink_to(world)
    (inside / "magic").symlink_to("/proc/self/root")
    fd = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    expected: dict[str, int] = {
        "plain.txt": 0,
        "./deep//er/./low.txt": 0,
        "": 0,
        ".": 0,
        "deep": 0,
        "nothing": errno.ENOENT,
        "deep/nothing/x": errno.ENOENT,
        "plain.txt/x": errno.ENOTDIR,
        "with\0zero": errno.ENOENT,
        "..": errno.EXDEV,
        "../secret.txt": errno.EXDEV,
        "deep/../../secret.txt": errno.EXDEV,
        "deep/../plain.txt": errno.EXDEV,
        str(world / "secret.txt"): errno.EXDEV,
        "relative": errno.ELOOP,
        "up": errno.ELOOP,
        "absolute": errno.ELOOP,
        "itself": errno.ELOOP,
        "folder/er/low.txt": errno.ELOOP,
        "out/secret.txt": errno.ELOOP,
        "magic/etc/passwd": errno.ELOOP,
        "n" * 300: errno.ENAMETOOLONG,
    }
    try:
        met = {path: _code(beneath, fd, path, os.O_RDONLY) for path in expected}
        met_as_folder = _code(beneath, fd, "folder", os.O_RDONLY | os.O_DIRECTORY)
        not_a_folder = _code(beneath, fd, "plain.txt", os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(fd)
    assert met == expected
    assert (met_as_folder, not_a_folder) == (errno.ELOOP, errno.ENOTDIR)


def _code(beneath: Beneath, fd: int, path: str, flags: int) -> int:
    try:
        opened = beneath.open(fd, path, flags)
    except OSError as error:
        return error.errno or -1
    assert not os.get_inheritable(opened)
    os.close(opened)
    return 0


def test_both_ways_of_opening_refuse_the_same(beneath: Beneath, world: Path) -> None:
    check_beneath(beneath, world)


def test_no_descriptor_is_left_behind(beneath: Beneath, world: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Scope([Folder(world / "in"), Folder(world / "gone")], beneath=beneath) as scope:
        content(scope, "deep/er/low.txt")
        refusal(scope, "deep")
        refusal(scope, "nothing/at/all")
        walked(scope)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_inside_is_read(scope: Scope) -> None:
    assert content(scope, "deep/er/low.txt") == "low"


@pytest.mark.parametrize("path", ["../secret.txt", "deep/../../secret.txt", "/etc/passwd"])
def test_no_path_leads_out(scope: Scope, path: str) -> None:
    assert refusal(scope, path) is Refusal.OUTSIDE


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("PLAIN.txt", Refusal.NOT_THERE),
        ("pl\u0131ain.txt", Refusal.NOT_THERE),
        ("\uff30lain.txt", Refusal.NOT_THERE),
        ("plain.txt\u200b", Refusal.NOT_THERE),
        ("\u2025/secret.txt", Refusal.NOT_THERE),
        ("..\uff0fsecret.txt", Refusal.NOT_THERE),
        ("%2e%2e/secret.txt", Refusal.NOT_THERE),
        ("..\\secret.txt", Refusal.NOT_THERE),
        ("n" * 300, Refusal.NOT_THERE),
        ("/".join(["n" * 200] * 100), Refusal.NOT_THERE),
        ("/".join([".."] * 2000), Refusal.OUTSIDE),
        ("/proc/self/root/etc/passwd", Refusal.OUTSIDE),
    ],
)
def test_case_unicode_and_long_names_lead_nowhere(scope: Scope, path: str, reason: Refusal) -> None:
    assert refusal(scope, path) is reason


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p, w: p.symlink_to(w / "secret.txt"), Refusal.LINK),
        (lambda p, w: p.symlink_to("../secret.txt"), Refusal.LINK),
        (lambda p, w: p.symlink_to("plain.txt"), Refusal.LINK),
        (lambda p, w: os.mkfifo(p), Refusal.PIPE),
        (lambda p, w: p.mkdir(), Refusal.NOT_A_FILE),
        (lambda p, w: os.link(w / "secret.txt", p), Refusal.HARD_LINK),
        (lambda p, w: _make_socket(p), Refusal.NOT_A_FILE),
        (lambda p, w: None, Refusal.NOT_THERE),
    ],
    ids=["absolute link", "relative link", "link inside", "fifo", "folder", "hard link", "socket", "nothing"],
)
def test_only_regular_files_of_the_folder_are_opened(
    scope: Scope, world: Path, make: Callable[[Path, Path], object], reason: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)  # a socket's path must be short
    make(world / "in" / "odd", world)

    assert refusal(scope, "odd") is reason


def test_a_hard_link_whose_names_are_all_inside_is_read(scope: Scope, world: Path) -> None:
    os.link(world / "in" / "plain.txt", world / "in" / "deep" / "other.txt")

    assert content(scope, "deep/other.txt") == "plain"


def test_a_device_is_not_opened(scope: Scope, world: Path) -> None:
    try:
        os.mknod(world / "in" / "null", 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("NOT TESTED: only root may make a device")

    assert refusal(scope, "null") in (Refusal.DEVICE, Refusal.UNREADABLE)


def test_a_swap_while_opening_never_gives_the_secret(scope: Scope, world: Path) -> None:
    """What realpath-then-open loses one time in seven."""
    inside = world / "in"
    (inside / "swap").mkdir()
    (inside / "swap" / "secret.txt").write_text("harmless")
    os.symlink(world, inside / "trap")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            os.rename(inside / "swap", inside / "aside")
            os.rename(inside / "trap", inside / "swap")
            os.rename(inside / "swap", inside / "trap")
            os.rename(inside / "aside", inside / "swap")

    thread = threading.Thread(target=swap)
    thread.start()
    read: set[str] = set()
    refused = 0
    try:
        for _ in range(4000):
            try:
                read.add(content(scope, "swap/secret.txt"))
            except Refused:
                refused += 1
            list(scope.roots[0].walk("", Tally()))
    finally:
        over.set()
        thread.join()
    assert read <= {"harmless"}
    assert refused  # the race was met


def test_an_approved_folder_that_became_a_link_is_not_opened(world: Path, beneath: Beneath) -> None:
    (world / "approved").symlink_to("in")

    with Scope([Folder(world / "approved")], beneath=beneath) as scope:
        assert scope.roots == []
        assert scope.missing == [(Folder(world / "approved"), Refusal.LINK)]


def test_walking_meets_every_file_once_and_follows_no_link(scope: Scope, world: Path) -> None:
    (world / "in" / "loop").symlink_to(".")
    (world / "in" / "out").symlink_to(world)
    os.mkfifo(world / "in" / "pipe")
    tally = Tally()

    assert walked(scope, tally) == {"plain.txt", "deep", "deep/er", "deep/er/low.txt"}
    assert (tally.files, tally.folders, tally.links, tally.special) == (2, 2, 2, 1)


def test_a_tree_deeper_than_a_path_may_be_long_is_walked_and_read(scope: Scope, world: Path) -> None:
    here = os.open(world / "in", os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        onward = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = onward
    os.close(os.open("bottom.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)

    deepest = max(walked(scope), key=len)

    assert len(deepest) > 6000
    assert content(scope, deepest) == ""


def test_strange_names_are_walked_read_and_shown(scope: Scope, world: Path) -> None:
    names = {b"new\nline", b"not \xff utf-8", b"esc\x1b[31m", "rtl\u202egpj.exe".encode(), b"  ", b"pipe|`tick`"}
    for name in names:
        (world / "in" / os.fsdecode(name)).write_text("here")

    found = walked(scope) & {os.fsdecode(name) for name in names}

    assert {os.fsencode(name) for name in found} == names
    assert all(content(scope, name) == "here" for name in found)
    assert {shown(name) for name in found} == {
        r"new\nline",
        r"not \xff utf-8",
        r"esc\x1b[31m",
        r"rtl\u202egpj.exe",
        "  ",
        "pipe|`tick`",
    }


def test_a_folder_that_vanishes_while_walking_is_counted(scope: Scope, world: Path) -> None:
    tally = Tally()
    walk = scope.roots[0].walk("", tally)
    seen = {next(walk).path, next(walk).path}
    assert seen == {"plain.txt", "deep"}
    (world / "in" / "deep" / "er" / "low.txt").unlink()
    (world / "in" / "deep" / "er").rmdir()
    (world / "in" / "deep").rmdir()

    assert list(walk) == []
    assert tally.vanished == 1


def test_a_folder_that_cannot_be_listed_is_counted_and_the_rest_is_walked(world: Path) -> None:
    (world / "in" / "closed").mkdir(mode=0o000)
    if os.geteuid() != 0:
        with Scope([Folder(world / "in")]) as scope:
            tally = Tally()
            assert "plain.txt" in walked(scope, tally)
            assert tally.unreadable == 1
        return
    # Root may read everything: ask as somebody else, in a process that gives the right up.
    for folder in (world, *world.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder.owner() == "root" and folder != Path("/"):
            folder.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            with Scope([Folder(world / "in")]) as scope:
                tally = Tally()
                code = 0 if "plain.txt" in walked(scope, tally) and tally.unreadable == 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_is_kept_out_is_neither_walked_nor_opened(world: Path, beneath: Beneath) -> None:
    (world / "in" / ".keys").mkdir()
    (world / "in" / ".keys" / "device").write_text(SECRET)

    with Scope([Folder(world / "in")], keep_out=[world / "in" / ".keys"], beneath=beneath) as scope:
        assert not any(path.startswith(".keys") for path in walked(scope))
        assert refusal(scope, ".keys/device") is Refusal.OUTSIDE
    with Scope([Folder(world / "in" / ".keys")], keep_out=[world / "in" / ".keys"], beneath=beneath) as scope:
        assert scope.roots == []
    # Or a single file, such as that of the passphrase.
    with Scope([Folder(world / "in")], keep_out=[world / "in" / ".keys" / "device"], beneath=beneath) as scope:
        assert ".keys/device" not in walked(scope)
        assert refusal(scope, ".keys/device") is Refusal.OUTSIDE


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("keys", "KEYS"),
        ("keys", "Keys"),
        ("Schlüssel", "schlu\u0308ssel"),
        ("Schlu\u0308ssel", "SCHLÜSSEL"),
        ("straße", "STRASSE"),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["there", "not there yet"])
def test_what_is_kept_out_is_so_by_every_name_that_its_disk_has_for_it(
    world: Path, beneath: Beneath, kept: str, said: str, there: bool
) -> None:
    """On a disk that does not tell upper from lower case. What is there is known by what it is, what comes later by its name."""

    def put() -> None:
        (world / "in" / kept).mkdir()
        (world / "in" / kept / "device").write_text(SECRET)

    if there:
        put()
    keep_out = [KeptOut.hold(world / "in" / kept)]
    if not there:
        put()
    with Scope([Folder(world / "in", writable=True)], keep_out=keep_out, beneath=Blind(beneath)) as scope:
        assert not any(kept in path for path in walked(scope))
        for name in (kept, said):
            assert refusal(scope, f"{name}/device") is Refusal.OUTSIDE
            assert scope.roots[0].list(name, Tally()) == []
            with pytest.raises(Refused) as refused, Hands(scope).create(str(world / "in" / name / "new.txt")):
                pass
            assert refused.value.reason is Refusal.OUTSIDE
    approved = Folder(world / "IN" / said)
    with Scope([approved], keep_out=keep_out if there else [world / "in" / kept], beneath=Blind(beneath)) as scope:
        assert scope.missing == [(approved, Refusal.OUTSIDE)]


def kept_deep(world: Path) -> list[KeptOut]:
    """Keep keys and a passphrase in an approved folder, as a host does that has just started."""
    (world / "in" / "apps" / "host").mkdir(parents=True)
    (world / "in" / "apps" / "host" / "device").write_text(SECRET)
    (world / "in" / "apps" / "passphrase").write_text(SECRET)
    return [KeptOut.hold(world / "in" / "apps" / name) for name in ("host", "passphrase")]


@pytest.mark.parametrize("when", ["before the scope", "within it"])
def test_what_is_kept_out_stays_so_whatever_above_it_is_renamed(world: Path, beneath: Beneath, when: str) -> None:
    keep_out = kept_deep(world)

    def rename() -> None:
        os.rename(world / "in" / "apps", world / "in" / "deep" / "innocent")
        os.rename(world / "in" / "deep" / "innocent" / "passphrase", world / "in" / "notes.txt")

    if when == "before the scope":
        rename()
    with Scope([Folder(world / "in", writable=True)], keep_out=keep_out, beneath=beneath) as scope:
        if when == "within it":
            rename()
        for path in ("deep/innocent/host/device", "deep/innocent/host", "notes.txt"):
            assert refusal(scope, path) is Refusal.OUTSIDE
            with pytest.raises(Refused):
                scope.roots[0].stat(path)
        assert not walked(scope) & {"deep/innocent/host", "deep/innocent/host/device", "notes.txt"}
        assert "deep/innocent" in walked(scope)
        hands = Hands(scope)
        for name in ("deep/innocent/host/device", "deep/innocent/host/new", "notes.txt"):
            with pytest.raises(Refused) as refused:
                hands.move(str(world / "in" / name), str(world / "in" / "mine.txt"), Facts(0, 0, 0))
            assert refused.value.reason is Refusal.OUTSIDE
    moved = Folder(world / "in" / "deep" / "innocent" / "host")
    with Scope([moved], keep_out=keep_out, beneath=beneath) as scope:
        assert scope.missing == [(moved, Refusal.OUTSIDE)]
    assert [one.path for one in keep_out] == [moved.path, world / "in" / "notes.txt"]


def test_a_folder_that_is_moved_out_while_it_is_looked_into_gives_nothing(world: Path, beneath: Beneath) -> None:
    keep_out = kept_deep(world)

    class Late:
        """Moves the folder away when it is open."""

        name = "late"

        def open(self, dir_fd: int, path: str, flags: int) -> int:
            fd = beneath.open(dir_fd, path, flags)
            if path == "deep/er":
                os.rename(world / "in" / "deep", world / "elsewhere")
            return fd

    with Scope([Folder(world / "in")], keep_out=keep_out, beneath=Late()) as scope:
        assert refusal(scope, "deep/er/low.txt") is Refusal.OUTSIDE


def test_a_hard_link_to_what_is_kept_out_is_refused(world: Path, beneath: Beneath) -> None:
    (world / "in" / ".keys").mkdir()
    (world / "in" / ".keys" / "device").write_text(SECRET)
    os.link(world / "in" / ".keys" / "device", world / "in" / "innocent.txt")

    with Scope([Folder(world / "in")], keep_out=[world / "in" / ".keys"], beneath=beneath) as scope:
        assert refusal(scope, "innocent.txt") is Refusal.HARD_LINK


def test_a_folder_within_another_is_walked_once(world: Path) -> None:
    with Scope([Folder(world / "in"), Folder(world / "in" / "deep")]) as scope:
        assert [root.label for root in scope.outermost] == ["in"]
        found = scope.locate(str(world / "in" / "deep" / "er"))
        assert found is not None
        assert (found[0].label, found[1]) == ("deep", "er")
        assert scope.locate(str(world / "secret.txt")) is None
        assert scope.locate(f"{world}/in/../secret.txt") is None
        assert scope.locate(f"{world}/inside") is None


def test_entries_tell_the_size_and_time_of_the_file(scope: Scope, world: Path) -> None:
    os.utime(world / "in" / "plain.txt", ns=(0, 1_700_000_000_000_000_001))

    entry = scope.roots[0].stat("plain.txt")

    assert isinstance(entry, Entry)
    assert (entry.name, entry.size, entry.mtime_ns, entry.is_dir) == ("plain.txt", 5, 1_700_000_000_000_000_001, False)


def test_a_folder_is_approved_by_its_true_path(world: Path) -> None:
    (world / "link").symlink_to("in")

    assert Folder.approve(world / "link") == Folder(world / "in", writable=False)


@pytest.mark.parametrize("path", ["secret.txt", "nothing", "with\0zero"])
def test_what_is_no_folder_is_not_approved(world: Path, path: str) -> None:
    with pytest.raises(FolderRefused):
        Folder.approve(f"{world}/{path}")
