"""Nothing is written, moved or removed outside the folders that may be changed, and nothing is ever overwritten."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from dispatch_host.scope import (
    Facts,
    Folder,
    Hands,
    LinkThenUnlink,
    Refusal,
    Refused,
    Rename,
    RenameAt2,
    Scope,
    best_beneath,
    best_rename,
)

from tests.support.blind import Blind
from tests.unit.changes.conftest import SECRET, World

NEVER = Facts(0, 0, 0)
RENAMES = [
    LinkThenUnlink,
    pytest.param(
        RenameAt2,
        marks=pytest.mark.skipif(best_rename().name != "renameat2", reason="NOT TESTED: this system has no renameat2"),
    ),
]


def why(work: Callable[[], object]) -> Refusal:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.reason


def make(hands: Hands, path: str, content: bytes = b"new") -> None:
    with hands.create(path) as file:
        file.write(content)


def every_way(hands: Hands, world: World, path: str) -> set[Refusal]:
    """Try everything that changes something at a path, and give why it was refused."""
    plain = str(world.inside / "plain.txt")
    facts = world.facts(world.inside / "plain.txt")
    return {
        why(lambda: make(hands, path)),
        why(lambda: hands.make_folder(path)),
        why(lambda: hands.move(plain, path, facts)),
        why(lambda: hands.move(path, plain + ".moved", NEVER)),
        why(lambda: hands.remove(path, NEVER, ".aside")),
        why(lambda: hands.remove_folder(path)),
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("secret.txt", Refusal.OUTSIDE),
        ("in/../secret.txt", Refusal.OUTSIDE),
        ("in/deep/../../secret.txt", Refusal.OUTSIDE),
        ("in/./new.txt", Refusal.OUTSIDE),
        ("in//new.txt", Refusal.OUTSIDE),
        ("in", Refusal.OUTSIDE),
        ("in/", Refusal.OUTSIDE),
        ("inside.txt", Refusal.OUTSIDE),
        ("IN/new.txt", Refusal.OUTSIDE),
        ("ｉｎ/new.txt", Refusal.OUTSIDE),
        ("in/deep/..", Refusal.OUTSIDE),
        ("read/new.txt", Refusal.READ_ONLY),
        ("home/new.txt", Refusal.OUTSIDE),
        ("in/up/new.txt", Refusal.LINK),
        ("in/absolute/new.txt", Refusal.LINK),
        ("in/magic/tmp/new.txt", Refusal.LINK),
        ("in/within/new.txt", Refusal.LINK),
        ("in/plain.txt/new.txt", Refusal.NOT_THERE),
        ("in/gone/new.txt", Refusal.NOT_THERE),
        ("in/zero\0.txt", Refusal.BAD_NAME),
        (f"in/{'n' * 256}", Refusal.BAD_NAME),
        (f"in/{'ü' * 128}", Refusal.BAD_NAME),
    ],
)
def test_no_path_leads_out_of_where_things_may_be_changed(
    hands: Hands, world: World, path: str, reason: Refusal
) -> None:
    for name, target in (("up", ".."), ("absolute", str(world.root)), ("magic", "/proc/self/root"), ("within", "deep")):
        (world.inside / name).symlink_to(target)
    before, beside = world.picture(), world.outside()

    assert every_way(hands, world, f"{world.root}/{path}") == {reason}

    assert (world.picture(), world.outside()) == (before, beside)
    assert (world.root / "secret.txt").read_text() == SECRET


def test_a_folder_approved_for_reading_within_one_that_may_be_changed_stays_as_it_is(world: World) -> None:
    with Scope([Folder(world.inside, writable=True), Folder(world.inside / "deep")]) as scope:
        hands = Hands(scope)

        assert every_way(hands, world, str(world.inside / "deep" / "new.txt")) == {Refusal.READ_ONLY}


@pytest.mark.parametrize("path", ["deep/new.txt", "deep"])
def test_the_host_s_own_code_is_not_changed_wherever_it_lies(world: World, path: str) -> None:
    """Nor is a folder that has it in it moved away."""
    code = world.inside / "deep" / ("" if path.endswith("txt") else "package")
    with Scope([Folder(world.inside, writable=True)]) as scope:
        hands = Hands(scope, only_read=[code])

        assert every_way(hands, world, str(world.inside / path)) == {Refusal.OWN_CODE}


@pytest.mark.parametrize("said", ["DEEP", "Deep", "ＤＥＥＰ/../DEEP"])
@pytest.mark.parametrize(("kept", "reason"), [("code", Refusal.OWN_CODE), ("folder", Refusal.READ_ONLY)])
def test_what_stays_as_it_is_does_so_by_every_name_that_its_disk_has_for_it(
    world: World, said: str, kept: str, reason: Refusal
) -> None:
    """On a disk that does not tell upper from lower case: it is known by what it is."""
    folders = [Folder(world.inside, writable=True), *([Folder(world.inside / "deep")] if kept == "folder" else [])]
    code = [world.inside / "deep"] if kept == "code" else []
    with Scope(folders, beneath=Blind(best_beneath())) as scope:
        hands = Hands(scope, only_read=code)

        refused = every_way(hands, world, str(world.inside / said / "new.txt"))

    assert refused == {Refusal.OUTSIDE if ".." in said else reason}


def test_a_folder_approved_in_the_host_s_own_code_is_not_changed_by_another_name(world: World) -> None:
    approved = world.inside / "DEEP"
    with Scope([Folder(approved, writable=True)], beneath=Blind(best_beneath())) as scope:
        hands = Hands(scope, only_read=[world.inside / "deep"])

        assert why(lambda: make(hands, str(approved / "new.txt"))) is Refusal.OWN_CODE


def test_attachments_are_not_changed(world: World) -> None:
    with Scope([Folder(world.inside)], inbox=world.root / "read") as scope:
        assert every_way(Hands(scope), world, str(world.root / "read" / "new.txt")) == {Refusal.READ_ONLY}


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("NOT TESTED: only root may make a device")


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (lambda path, world: path.symlink_to(world.root / "secret.txt"), Refusal.LINK),
        (lambda path, world: path.symlink_to("../secret.txt"), Refusal.LINK),
        (lambda path, world: path.symlink_to("nowhere"), Refusal.LINK),
        (lambda path, world: path.symlink_to("/proc/self/mem"), Refusal.LINK),
        (lambda path, world: os.mkfifo(path), Refusal.PIPE),
        (lambda path, world: _device(path), Refusal.DEVICE),
        (lambda path, world: path.mkdir(), Refusal.NOT_A_FILE),
        (lambda path, world: path.write_text("somebody's"), None),
    ],
    ids=["absolute link", "relative link", "dangling link", "/proc", "fifo", "device", "folder", "file"],
)
def test_what_is_in_the_way_is_neither_followed_nor_overwritten_nor_moved(
    hands: Hands, world: World, put: Callable[[Path, World], object], reason: Refusal | None
) -> None:
    odd = world.inside / "odd"
    put(odd, world)
    plain, facts = str(world.inside / "plain.txt"), world.facts(world.inside / "plain.txt")
    before, beside = os.lstat(odd), world.outside()

    assert why(lambda: make(hands, str(odd))) is Refusal.TAKEN
    assert why(lambda: hands.make_folder(str(odd))) is Refusal.TAKEN
    assert why(lambda: hands.move(plain, str(odd), facts)) is Refusal.TAKEN
    assert not hands.is_free(str(odd))
    if reason is not None:
        assert why(lambda: hands.facts(str(odd))) is reason
        assert why(lambda: hands.move(str(odd), f"{odd}2", world.facts(odd))) is reason
        assert why(lambda: hands.remove(str(odd), world.facts(odd), ".aside")) is reason

    assert os.lstat(odd) == before
    assert (world.root / "secret.txt").read_text() == SECRET
    assert world.outside() == beside


@pytest.mark.parametrize("kind", RENAMES)
def test_a_rename_takes_nobodys_name(world: World, kind: Callable[[], Rename]) -> None:
    rename = kind()
    fd = os.open(world.inside, os.O_RDONLY)
    (world.inside / "taken").write_text("taken")
    (world.inside / "link").symlink_to("nowhere")
    try:
        for name in ("taken", "link", "deep"):
            with pytest.raises(FileExistsError):
                rename(fd, "plain.txt", fd, name)
        with pytest.raises(FileNotFoundError):
            rename(fd, "gone", fd, "new")
        rename(fd, "plain.txt", fd, os.fsdecode(b"\xff"))
    finally:
        os.close(fd)

    assert (world.inside / os.fsdecode(b"\xff")).read_text() == "plain"
    assert not (world.inside / "plain.txt").exists()
    assert (world.inside / "taken").read_text() == "taken"


def test_a_file_that_is_not_the_one_expected_stays(hands: Hands, world: World) -> None:
    plain = world.inside / "plain.txt"
    seen = world.facts(plain)
    plain.write_text("changed")

    assert why(lambda: hands.move(str(plain), f"{plain}2", seen)) is Refusal.CHANGED
    assert why(lambda: hands.remove(str(plain), seen, ".aside")) is Refusal.CHANGED
    assert plain.read_text() == "changed"


def test_a_file_that_could_not_be_finished_is_not_left(hands: Hands, world: World) -> None:
    before = world.picture()

    def fail() -> None:
        with hands.create(str(world.inside / "half")) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert world.picture() == before


def test_a_new_file_is_its_owners_alone(hands: Hands, world: World) -> None:
    make(hands, str(world.inside / "new"))

    assert (world.inside / "new").stat().st_mode & 0o777 == 0o600


def test_only_an_empty_folder_is_removed(hands: Hands, world: World) -> None:
    assert why(lambda: hands.remove_folder(str(world.inside / "deep"))) is Refusal.NOT_EMPTY


def test_no_descriptor_is_left_behind(hands: Hands, world: World) -> None:
    before = len(os.listdir("/proc/self/fd"))
    make(hands, str(world.inside / "new"))
    every_way(hands, world, str(world.root / "secret.txt"))
    why(lambda: make(hands, str(world.inside / "new")))

    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.big
def test_a_folder_swapped_for_a_link_while_writing_lets_nothing_out(hands: Hands, world: World) -> None:
    """A name that is looked at and then used would be met by the swap; a descriptor is not."""
    swap, trap, aside = (world.inside / name for name in ("swap", "trap", "aside"))
    swap.mkdir()
    (world.root / "target").mkdir()
    trap.symlink_to(world.root / "target")
    over = threading.Event()

    def swapping() -> None:
        while not over.is_set():
            os.rename(swap, aside)
            os.rename(trap, swap)
            os.rename(swap, trap)
            os.rename(aside, swap)

    thread = threading.Thread(target=swapping)
    thread.start()
    made = refused = 0
    try:
        for turn in range(20_000):
            path = f"{swap}/{turn}"
            try:
                make(hands, path)
                hands.move(path, f"{swap}/m{turn}", hands.facts(path))
                made += 1
            except Refused:
                refused += 1
            if made >= 50 and refused >= 50:
                break
    finally:
        over.set()
        thread.join()

    assert list((world.root / "target").iterdir()) == []
    assert made
    assert refused  # the race was met


def test_a_file_swapped_for_a_link_while_it_is_moved_goes_back(world: World) -> None:
    """Between the look and the rename somebody puts a link in the file's place."""
    plain, elsewhere = world.inside / "plain.txt", world.inside / "elsewhere"

    class Swapping(LinkThenUnlink):
        swapped = False

        def __call__(self, from_fd: int, old: str, to_fd: int, new: str) -> None:
            if not self.swapped:
                self.swapped = True
                os.rename(plain, elsewhere)
                plain.symlink_to(world.root / "secret.txt")
            super().__call__(from_fd, old, to_fd, new)

    with world.scope() as scope:
        hands = Hands(scope, rename=Swapping())

        assert why(lambda: hands.move(str(plain), f"{plain}2", world.facts(plain))) is Refusal.CHANGED

    assert plain.is_symlink()
    assert elsewhere.read_text() == "plain"
    assert not (world.inside / "plain.txt2").exists()
