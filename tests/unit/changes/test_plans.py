"""What was planned is done, all of it or up to where it stops; and it is taken back byte for byte, after any crash."""

from __future__ import annotations

import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from dispatch_host.changes import (
    KEPT,
    MOST_TEXT_BYTES,
    BadPlan,
    Busy,
    Convert,
    Delete,
    How,
    MakeFolder,
    Move,
    Packing,
    Plan,
    RemoveFolder,
    Rewrite,
    State,
    Step,
    Write,
    Zip,
    preview,
    touched,
)
from dispatch_host.scope import Facts, Folder, Refusal

from tests.unit.changes.conftest import World

FACTS = Facts(1, 2, 3)


def zip_of(world: World, target: str, *sources: str) -> Zip:
    paths = [str(world.inside / source) for source in sources]
    with world.scope() as scope:
        packing = Packing.of(scope, paths, str(world.inside))
    return Zip(
        tuple(paths),
        str(world.inside / target),
        str(world.inside),
        packing.files,
        packing.size,
        packing.most_bytes,
        packing.listing,
    )


def everything(world: World) -> Plan:
    """A plan with a step of each kind."""
    odd = os.fsdecode(b"odd \xff|.txt")
    (world.inside / odd).write_text("odd")
    notes, empty = world.inside / "notes.txt", world.inside / "empty"
    notes.write_bytes(b"one\ntwo\r\n")
    notes.chmod(0o640)
    empty.mkdir(exist_ok=True)
    (empty / "old.txt").write_text("old")
    return Plan(
        "Do everything",
        (
            MakeFolder(str(world.inside / "new")),
            world.move("plain.txt", "new/plain.txt"),
            world.move(odd, "plain.txt"),
            Write(str(world.inside / "new" / "words.txt"), "wörds\n"),
            Convert(
                str(world.inside / "deep/er/low.txt"),
                str(world.inside / "low.upper"),
                world.facts(world.inside / "deep/er/low.txt"),
                How.TEXT,
                1000,
            ),
            zip_of(world, "deep.zip", "deep"),
            Rewrite(str(notes), world.facts(notes), "one\ntwo\r\n", "one\n2\r\nthree"),
            Delete(str(empty / "old.txt"), world.facts(empty / "old.txt")),
            RemoveFolder(str(empty)),
            Write(str(empty), "a file where the folder was"),
        ),
    )


def test_a_plan_has_one_spelling_and_its_digest_stands_for_it(world: World) -> None:
    plan = everything(world)

    assert Plan.from_bytes(plan.to_bytes()) == plan
    assert replace(plan, steps=plan.steps[:-1]).digest != plan.digest
    for spelled in (plan.to_bytes() + b" ", plan.to_bytes().replace(b'"steps"', b' "steps"'), b"[]", b"{}", b"\xff"):
        with pytest.raises(BadPlan):
            Plan.from_bytes(spelled)


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (MakeFolder("relative"),),
        (MakeFolder("/a/../b"),),
        (MakeFolder("/a/"),),
        (MakeFolder("/a\0"),),
        (MakeFolder("/a"), MakeFolder("/a")),
        (Move("/a", "/x", FACTS), Move("/b", "/X", FACTS)),
        (Move("/a", "/\u00e9", FACTS), Move("/b", "/e\u0301", FACTS)),
        (Move("/a", "/x", FACTS), Move("/b", "/\u212a", FACTS), Move("/c", "/k", FACTS)),
        (MakeFolder("/\u0386\u0301\u0345"), MakeFolder("/\u03ac\u0301\u0345")),
        (Move("/a", "/x", FACTS), Move("/a", "/y", FACTS)),
        (Move("/a", "/x", FACTS), Convert("/a", "/y", FACTS, How.TEXT, 1)),
        (Zip(("/a", "../b"), "/c", "/", 1, 1, 1, ""),),
        (Delete("/a", FACTS), Delete("/a", FACTS)),
        (Delete("/a", FACTS), Move("/a", "/b", FACTS)),
        (Rewrite("/a", FACTS, "", "x"), Delete("/a", FACTS)),
        (Rewrite("/a", FACTS, "", "x"), Rewrite("/a", FACTS, "x", "y")),
        (RemoveFolder("/a"), RemoveFolder("/a")),
        (Write("/a", "x" * (MOST_TEXT_BYTES + 1)),),
    ],
)
def test_a_plan_that_can_not_be_meant_is_none(steps: tuple[Step, ...]) -> None:
    with pytest.raises(BadPlan):
        Plan.from_bytes(Plan("no", steps).to_bytes())


def test_a_preview_shows_every_step(world: World) -> None:
    plan = everything(world)

    shown = preview(plan, [Folder(world.inside, writable=True)])

    for piece in (
        "**Do everything**",
        "In `in`:",
        "new folder `new`",
        "In `in`, into `new`:\n\n- `plain.txt`",
        "`odd \\xff|.txt` → `plain.txt`",
        "new file `words.txt` (7 B):\n\n```\nwörds\n\n```",
        "(at most 1.0 kB, 1,000 bytes): the text of `low.txt`",
        "new archive `deep.zip` of 1 file (3 B; packed at most ",
        "```diff\n@@ line 1, then line 1 @@\n one\n-two␍\n+2␍\n+three␃\n```",
        "delete `old.txt` (3 B)",
        "remove folder `empty`",
        KEPT,
    ):
        assert piece in shown
    assert touched(plan, [Folder(world.inside, writable=True), Folder(world.root / "read")]) == [
        Folder(world.inside, writable=True)
    ]


def test_all_of_a_plan_is_done_and_taken_back_byte_for_byte(world: World) -> None:
    plan = everything(world)
    before = world.picture()

    done = world.apply(plan)

    assert (done.done, done.total, done.why) == (10, 10, "")
    assert (world.inside / "new" / "plain.txt").read_text() == "plain"
    assert (world.inside / "plain.txt").read_text() == "odd"
    assert (world.inside / "new" / "words.txt").read_text() == "wörds\n"
    assert (world.inside / "low.upper").read_text() == "LOW"
    with zipfile.ZipFile(world.inside / "deep.zip") as archive:
        assert archive.namelist() == ["deep/", "deep/er/", "deep/er/low.txt"]
        assert archive.read("deep/er/low.txt") == b"low"
    assert (world.inside / "notes.txt").read_bytes() == b"one\n2\r\nthree"
    assert (world.inside / "notes.txt").stat().st_mode & 0o777 == 0o640
    assert (world.inside / "empty").read_text() == "a file where the folder was"
    assert not list(world.inside.rglob(".dispatch*"))

    undone = world.undo()

    assert (len(undone.restored), undone.left) == (10, [])
    assert (world.inside / "notes.txt").stat().st_mode & 0o777 == 0o640
    assert world.picture() == before
    assert next(world.records.of("task")).state is State.UNDONE


def rewritten_within_its_time(path: Path) -> None:
    times = path.stat()
    path.write_bytes(b"eno\ntwo\r\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda world: (world.inside / "plain.txt").write_text("changed"),
        lambda world: os.utime(world.inside / "plain.txt", (1, 1)),
        lambda world: (world.inside / "plain.txt").unlink(),
        lambda world: os.replace(world.inside / "deep/er/low.txt", world.inside / "plain.txt"),
        lambda world: (world.inside / "new").mkdir(),
        lambda world: (world.inside / "low.upper").symlink_to("nowhere"),
        lambda world: (world.inside / "deep/er/more.txt").write_text("more"),
        lambda world: (world.inside / "deep/er/low.txt").write_text("LOW"),
        lambda world: (world.inside / "notes.txt").write_text("one\ntoo\n"),
        lambda world: rewritten_within_its_time(world.inside / "notes.txt"),
        lambda world: (world.inside / "empty/old.txt").write_text("new"),
        lambda world: (world.inside / "empty").rename(world.inside / "elsewhere"),
    ],
    ids=[
        "rewritten",
        "touched",
        "gone",
        "replaced",
        "folder there",
        "link there",
        "more to zip",
        "other to zip",
        "other words",
        "other words, same time",
        "other to delete",
        "no folder",
    ],
)
def test_what_is_not_as_it_was_planned_changes_nothing(world: World, meanwhile: Callable[[World], object]) -> None:
    plan = everything(world)
    meanwhile(world)
    before = world.picture()

    done = world.apply(plan)

    assert done.done == 0
    assert done.why
    assert world.picture() == before
    assert not list(world.records.of("task"))


def test_a_step_that_can_not_be_done_stops_the_rest_and_what_was_done_is_undone(world: World) -> None:
    plan = everything(world)
    before = world.picture()

    def fill_the_place(source: object, target: object, step: object, tell: object) -> None:
        (world.inside / "low.upper").write_text("somebody's")

    world.makers[How.TEXT] = fill_the_place

    done = world.apply(plan)

    assert (done.done, done.total, done.path) == (4, 10, str(world.inside / "low.upper"))
    assert done.why == "it is already there"
    assert (world.inside / "low.upper").read_text() == "somebody's"
    assert not list(world.inside.rglob(".dispatch*"))
    undone = world.undo()
    assert (len(undone.restored), undone.untouched, undone.left) == (4, 6, [])
    (world.inside / "low.upper").unlink()
    assert world.picture() == before


ON_DISKS = pytest.mark.parametrize("elsewhere", [False, True], ids=["one disk", "two disks"])
"""What is deleted is renamed into the host's home, or copied there when that is on another disk."""


@pytest.fixture
def other_disk(world: World) -> Iterator[Path]:
    shared = Path("/dev/shm")  # noqa: S108 -- only as a disk that is another one; a folder of its own is made there
    if not shared.is_dir() or shared.stat().st_dev == world.root.stat().st_dev:
        pytest.skip("NOT TESTED: there is no second disk")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def placed(world: World, elsewhere: bool, request: pytest.FixtureRequest) -> World:
    if elsewhere:
        world.home = request.getfixturevalue("other_disk")
    return world


def dies(work: Callable[[], object], at: int) -> bool:
    """Do work in a process that dies, without a word, just before its nth call that looks at a disk or changes it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    calls = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == at:
                os._exit(9)
            return real(*args, **named)

        return call

    try:
        for name in ("fsync", "mkdir", "unlink", "rmdir", "stat"):  # a rename stands between two looks
            setattr(os, name, counted(getattr(os, name)))  # of the child alone, which ends here
        work()
        os._exit(0)
    finally:
        os._exit(1)


def aged(world: World, task: str, days: int) -> None:
    when = time.time() - days * 86_400
    os.utime(world.home / "changes" / f"{task}.1" / "plan", (when, when))


EVERY = [pytest.param(4, marks=pytest.mark.big), 13]  # of the places to die at


@ON_DISKS
@pytest.mark.parametrize("every", EVERY)
def test_a_crash_anywhere_leaves_what_undo_needs(placed: World, every: int) -> None:
    world = placed
    everything(world)
    before = world.picture()
    at = 1
    while dies(partial(world.apply, everything(world), f"task{at}"), at):
        for _ in range(2):  # undoing twice does no harm
            if list(world.records.of(f"task{at}")):
                assert world.undo(f"task{at}").left == []
        assert world.picture() == before, f"died at {at}"
        at += every
    assert at > 60
    assert world.picture() != before
    assert not list(world.inside.rglob(".dispatch*"))


@ON_DISKS
@pytest.mark.parametrize("every", EVERY)
def test_a_crash_while_undoing_leaves_what_undoing_again_needs(placed: World, every: int) -> None:
    world = placed
    plan = everything(world)
    before = world.picture()
    at = 1
    world.apply(plan)
    while dies(world.undo, at):
        assert world.undo().left == []
        assert world.picture() == before, f"died at {at}"
        at += every
        assert world.apply(everything(world)).why == ""
    assert at > 20
    assert world.picture() == before


def test_what_was_changed_since_is_left_and_said(world: World) -> None:
    plan = everything(world)
    world.apply(plan)
    (world.inside / "new" / "plain.txt").write_text("edited by hand")
    (world.inside / "low.upper").write_text("edited by hand")

    undone = world.undo()

    assert {path for path, _ in undone.left} == {
        str(world.inside / "new" / "plain.txt"),
        str(world.inside / "low.upper"),
        str(world.inside / "new"),
    }
    assert (world.inside / "new" / "plain.txt").read_text() == "edited by hand"
    assert (world.inside / "low.upper").read_text() == "edited by hand"
    assert (world.inside / "odd \udcff|.txt").read_text() == "odd"
    assert not (world.inside / "deep.zip").exists()
    assert next(world.records.of("task")).state is State.PARTLY_UNDONE


def test_other_bytes_of_the_same_size_and_time_are_seen(world: World) -> None:
    path = world.inside / "words.txt"
    world.apply(Plan("Write", (Write(str(path), "words"),)))
    times = path.stat()
    path.write_text("sword")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert [reason for _, reason in world.undo().left] == [Refusal.CHANGED]
    assert path.read_text() == "sword"


def test_a_name_that_is_taken_meanwhile_is_not_overwritten_by_undoing(world: World) -> None:
    world.apply(Plan("Move", (world.move("plain.txt", "moved.txt"),)))
    (world.inside / "plain.txt").write_text("new here")

    undone = world.undo()

    assert [reason for _, reason in undone.left] == ["already there"]
    assert (world.inside / "plain.txt").read_text() == "new here"
    assert (world.inside / "moved.txt").read_text() == "plain"


def test_nothing_is_undone_in_a_folder_that_may_not_be_changed_any_more(world: World) -> None:
    world.apply(Plan("Move", (world.move("plain.txt", "moved.txt"),)))
    (world.root / "elsewhere").mkdir()
    elsewhere = replace(world, root=world.root / "elsewhere", home=world.root / "elsewhere" / "home")
    for name in ("in", "read", "home"):
        (elsewhere.root / name).mkdir()
    os.rename(world.root / "home" / "changes", elsewhere.root / "home" / "changes")

    assert [reason for _, reason in elsewhere.undo().left] == ["outside the approved folders"]
    assert (world.inside / "moved.txt").exists()


def test_the_records_are_the_hosts_alone_and_are_not_kept_for_ever(world: World) -> None:
    world.most_changes = 3
    for turn in range(5):
        path = world.inside / f"{turn}.txt"
        assert world.apply(Plan("Write", (Write(str(path), "x"),)), f"task{turn}").why == ""

    kept = sorted((world.root / "home" / "changes").iterdir())

    assert [path.name for path in kept] == ["lock", "task2.1", "task3.1", "task4.1"]
    assert {path.stat().st_mode & 0o777 for path in kept[1:]} == {0o700}
    assert list(world.records.of("task1")) == []


def test_a_hard_link_to_something_outside_is_not_packed(world: World) -> None:
    os.link(world.root / "secret.txt", world.inside / "deep" / "alias.txt")
    with world.scope() as scope:
        packing = Packing.of(scope, [str(world.inside / "deep")], str(world.inside))

    assert packing.left_out == 1
    assert [name for name, _ in packing.entries] == ["deep/", "deep/er/", "deep/er/low.txt"]


def test_links_pipes_and_what_is_kept_out_are_not_packed(world: World) -> None:
    (world.inside / "deep" / "link").symlink_to(world.root / "secret.txt")
    (world.inside / "deep" / "folder").symlink_to(world.root)
    os.mkfifo(world.inside / "deep" / "pipe")

    world.apply(Plan("Zip", (zip_of(world, "deep.zip", "deep"),)))

    with zipfile.ZipFile(world.inside / "deep.zip") as archive:
        assert archive.namelist() == ["deep/", "deep/er/", "deep/er/low.txt"]


def test_names_of_any_bytes_are_packed(world: World) -> None:
    for name in (b"not \xff", "\u202e.txt".encode(), b"new\nline"):
        Path(os.fsdecode(os.fsencode(world.inside / "deep") + b"/" + name)).write_text("here")

    world.apply(Plan("Zip", (zip_of(world, "deep.zip", "deep"),)))

    with zipfile.ZipFile(world.inside / "deep.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 6


@ON_DISKS
def test_a_deleted_file_comes_back_with_its_bytes_time_and_permissions(placed: World) -> None:
    path = placed.inside / "plain.txt"
    path.chmod(0o640)
    before = path.stat()

    assert placed.apply(Plan("Delete", (Delete(str(path), placed.facts(path)),))).why == ""
    assert not path.exists()
    assert placed.undo().left == []

    after = path.stat()
    assert path.read_text() == "plain"
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert list((placed.home / "changes").rglob("kept-*")) == []


@ON_DISKS
def test_a_name_that_is_taken_since_is_not_overwritten_by_what_was_deleted(placed: World) -> None:
    path = placed.inside / "plain.txt"
    placed.apply(Plan("Delete", (Delete(str(path), placed.facts(path)),)))
    path.write_text("new here")

    assert [reason for _, reason in placed.undo().left] == [Refusal.TAKEN]
    assert path.read_text() == "new here"
    path.unlink()
    assert placed.undo().left == []
    assert path.read_text() == "plain"


def test_words_that_were_changed_since_are_left(world: World) -> None:
    path = world.inside / "plain.txt"
    world.apply(Plan("Rewrite", (Rewrite(str(path), world.facts(path), "plain", "plan"),)))
    path.write_text("mine")

    assert [reason for _, reason in world.undo().left] == [Refusal.CHANGED]
    assert path.read_text() == "mine"


def test_what_is_too_old_or_too_much_is_gone_for_good_the_oldest_first(world: World) -> None:
    world.most_kept_bytes = 12
    for number in range(4):
        path = world.inside / f"{number}.txt"
        path.write_text("five.")
        assert world.apply(Plan("Delete", (Delete(str(path), world.facts(path)),)), f"task{number}").why == ""
    assert list(world.records.of("task1")) == []
    assert world.undo("task2").left == []
    assert (world.inside / "2.txt").read_text() == "five."

    aged(world, "task3", 31)
    world.records.forget_old()

    assert list(world.records.of("task3")) == []
    assert not (world.inside / "3.txt").exists()


def test_more_than_is_kept_is_not_deleted(world: World) -> None:
    world.most_kept_bytes = 4
    path = world.inside / "plain.txt"

    done = world.apply(Plan("Delete", (Delete(str(path), world.facts(path)),)))

    assert (done.done, done.why) == (0, "it deletes more than is kept for undoing it")
    assert path.read_text() == "plain"


def test_the_changes_of_a_task_are_forgotten_with_it(world: World) -> None:
    for task in ("left", "kept"):
        world.apply(Plan("Write", (Write(str(world.inside / task), "x"),)), task)

    world.records.forget_tasks({"left"})

    assert (list(world.records.of("left")), len(list(world.records.of("kept")))) == ([], 1)


def test_one_changes_files_at_a_time(world: World) -> None:
    with world.records.alone(), pytest.raises(Busy), replace(world, wait_seconds=0).records.alone():
        raise AssertionError("two at once")


@pytest.mark.big
def test_a_long_plan_begins_with_what_there_is_and_still_shows_all_of_it(world: World) -> None:
    names = [f"{number:05}.jpg" for number in range(20_000)]
    steps = tuple(
        Move(str(world.inside / name), str(world.inside / "Pictures" / name), Facts(1, 2, number))
        for number, name in enumerate(names)
    )
    plan = Plan("Sort 20,000 files", (MakeFolder(str(world.inside / "Pictures")), *steps))

    shown = preview(Plan.from_bytes(plan.to_bytes()), [Folder(world.inside, writable=True)])

    assert "20,000 × moved here in `in/Pictures`: `00000.jpg`, `00001.jpg`, … `19999.jpg`" in shown[:1000]
    assert shown.count("\n- `") == 20_000
    assert shown.count("into `Pictures`") == 1
    assert len(shown) < 400_000
