"""A thread that proves itself: whatever byte is changed, the first thing that is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.cli import Exit
from dispatch.device.audit import StoredLink, StoredSignature, What, Wrong
from dispatch.device.thread_file import Checked, Former, checked
from dispatch.device.thread_proof import ThreadFile, export, read_lines, told
from dispatch.sealed.head import Head

from tests.support.signed_thread import SignedThread, flips


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def test_a_thread_that_nobody_touched_is_whole() -> None:
    thread = SignedThread.of_one_task()

    found = checked(thread.lines())

    assert found == Checked(keys=thread.keys, head=thread.head, events=4, lost=0)
    assert isinstance(found, Checked)
    assert found.exported_by == "phone"


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.big), 37])
def test_every_byte_of_a_file_is_proved_and_a_changed_one_named_with_its_event(every: int) -> None:
    lines = SignedThread.of_one_task().lines()
    # Which event each line is about: header, then events and signatures in their order, head, seal.
    about = [0, 1, 1, 2, 3, 4, 4, 4, 4]
    assert len(lines) == len(about)

    for place, line in enumerate(lines):
        before, after = b"".join(lines[:place]), b"".join(lines[place + 1 :])
        for changed in flips(line, every=every):
            found = checked(_as_read(before + changed + after))

            assert isinstance(found, Wrong), changed
            if place:  # a changed key in the header shows at the first signature by it
                assert (found.line, found.number) == (place + 1, about[place]), (changed, found)


def _as_read(data: bytes) -> list[bytes]:
    """Split as a file is read: at line feeds only."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@pytest.mark.parametrize("left", range(9))
def test_a_file_that_ends_early_is_not_whole(left: int) -> None:
    found = checked(SignedThread.of_one_task().lines()[:left])

    assert isinstance(found, Wrong)
    assert found.what is What.SEAL


def test_a_file_that_goes_on_behind_its_end_is_not_whole() -> None:
    lines = SignedThread.of_one_task().lines()

    for more in (b"\n", b" ", lines[1], lines[-1]):
        found = checked([*lines, more])
        assert isinstance(found, Wrong)
        assert found.what is What.SEAL


def test_lines_that_change_places_are_named() -> None:
    lines = SignedThread.of_one_task().lines()

    for at in range(1, len(lines) - 1):
        swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
        assert isinstance(checked(swapped), Wrong), at


def test_an_event_that_was_taken_out_or_told_twice_is_named() -> None:
    lines = SignedThread.of_one_task().lines()

    without = checked([*lines[:4], *lines[5:]])
    twice = checked([*lines[:4], lines[3], *lines[4:]])

    assert isinstance(without, Wrong)
    assert (without.number, without.what) == (4, What.GAP)
    assert isinstance(twice, Wrong)
    assert (twice.number, twice.what) == (2, What.GAP)


# ---- Whoever rewrites a thread and its hashes still lacks the two keys.


def _rewritten(change: Callable[[SignedThread], None]) -> Checked | Wrong:
    thread = SignedThread.of_one_task()
    change(thread)
    return checked(thread.lines())


def test_words_that_the_phone_did_not_sign_are_named() -> None:
    def forge(thread: SignedThread) -> None:
        genuine = thread.phone
        thread.phone = thread.host
        thread.accepted("delete everything")
        thread.phone = genuine
        thread.signed()

    found = _rewritten(forge)

    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (5, What.PHONE_SIGNATURE)


def test_words_shown_beside_others_that_were_signed_are_named() -> None:
    def forge(thread: SignedThread) -> None:
        thread.accepted("list the files", shown="delete everything")
        thread.signed()

    found = _rewritten(forge)

    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (5, What.WORDS)


def test_a_thread_signed_by_another_host_is_named() -> None:
    thread = SignedThread()
    keys = thread.keys
    thread.host = thread.phone
    thread.event(pb.Event(started=pb.Started(agent="x")))
    thread.signed()
    thread.host = SignedThread().host

    found = checked(thread.lines())

    assert keys == thread.keys
    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (1, What.HOST_SIGNATURE)


def test_events_that_nobody_signed_are_named() -> None:
    found = _rewritten(lambda thread: thread.event(pb.Event(started=pb.Started(agent="x"))))

    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (5, What.UNSIGNED)


def test_a_thread_that_is_said_to_end_elsewhere_is_named() -> None:
    thread = SignedThread.of_one_task()
    thread.head = Head(9, bytes(32))

    found = checked(thread.lines())

    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (4, What.HEAD)


# ---- What a thread may hold beside a chain without a gap.


def test_what_the_host_lost_is_counted_and_its_hash_proved_by_what_follows() -> None:
    thread = SignedThread.of_one_task()
    first, _signature, second, *rest = thread.pieces
    assert isinstance(second, StoredLink)
    thread.pieces = [StoredLink(number=2, hash=second.hash), *rest]

    found = checked(thread.lines())
    assert isinstance(found, Checked)
    assert (found.events, found.lost) == (2, 2)

    thread.pieces = [StoredLink(number=2, hash=bytes(32)), *rest]
    found = checked(thread.lines())
    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (3, What.LINK)
    assert first


def test_a_host_that_was_set_back_goes_on_behind_the_phone_s_place_and_nowhere_else() -> None:
    def set_back(thread: SignedThread, *, says: int) -> None:
        place = pb.Head(number=says, hash=b"p" * 32)
        thread.link(
            pb.Event(number=10, event_id=bytes(16), previous_hash=b"p" * 32, restored=pb.Restored(phone_head=place))
        )
        thread.signed()

    fits = _rewritten(lambda thread: set_back(thread, says=9))
    does_not = _rewritten(lambda thread: set_back(thread, says=8))

    assert isinstance(fits, Checked)
    assert (fits.events, fits.lost) == (5, 5)
    assert isinstance(does_not, Wrong)
    assert (does_not.number, does_not.what) == (10, What.GAP)


def test_an_event_that_left_the_chain_still_has_its_own_hash() -> None:
    thread = SignedThread.of_one_task()
    link = thread.pieces[-2]
    assert isinstance(link, StoredLink)
    thread.pieces.append(Former(link=link))
    assert isinstance(checked(thread.lines()), Checked)

    thread.pieces[-1] = Former(link=replace(link, hash=bytes(32)))
    found = checked(thread.lines())

    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (4, What.HASH)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"[1]\n",
        b"{}\n",
        b'{"form":"dispatch thread 2"}\n',
        b"[" * 200_000,
        b'{"number":' + b"9" * 5_000 + b"}\n",
        b"\xff" * 300_000,
    ],
)
def test_a_file_that_is_something_else_is_refused_and_breaks_nothing(line: bytes) -> None:
    found = checked([line])

    assert isinstance(found, Wrong)
    assert found.line in (1, 2)


def test_strange_pieces_break_nothing() -> None:
    lines = SignedThread.of_one_task().lines()
    strange = (
        b'{"number":true,"hash":""}\n',
        b'{"number":-1,"id":"","task":"","previous":"","hash":"","event":""}\n',
        b'{"number":1,"id":1,"task":null,"previous":[],"hash":{},"event":7}\n',
        b'{"number":1,"id":"","task":"","previous":"","hash":"","event":""}\n',
        b'{"signed":1,"hash":"00","pair_id":"","signature":"AA=="}\n',
        b'{"lost":99999999999999999999,"hash":""}\n',
        b'{"head":1,"hash":null}\n',
        b'{"seal":""}\n',
    )
    for line in strange:
        assert isinstance(checked([lines[0], line, *lines[1:]]), Wrong), line


# ---- Files.


def test_a_file_is_readable_by_its_owner_only_and_replaces_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    path, lines = tmp_path / "thread.jsonl", SignedThread.of_one_task().lines()

    assert isinstance(export(lines, path, replace=False), Checked)
    assert path.stat().st_mode & 0o777 == 0o600
    assert isinstance(checked(read_lines(path)), Checked)
    path.write_text("mine")
    with pytest.raises(errors.BadRequest, match="--force"):
        export(lines, path, replace=False)
    assert path.read_text() == "mine"
    assert isinstance(export(lines, path, replace=True), Checked)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_thread_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    thread = SignedThread.of_one_task()
    signature = thread.pieces[-1]
    assert isinstance(signature, StoredSignature)
    thread.pieces[-1] = replace(signature, signature=bytes(64))

    found = export(thread.lines(), tmp_path / "thread.jsonl", replace=False)

    assert isinstance(found, Wrong)
    assert (found.number, found.what) == (4, What.HOST_SIGNATURE)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with ThreadFile(tmp_path / "thread.jsonl", replace=False) as file:
        file.write(b"half")

    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_or_read_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.BadRequest):
        export([], tmp_path / "none" / "thread.jsonl", replace=False)
    with pytest.raises(errors.BadRequest):
        list(read_lines(tmp_path / "none"))


def test_what_is_wrong_is_said_with_number_id_and_words() -> None:
    thread = SignedThread.of_one_task()
    lines = thread.lines()
    lines[4] = lines[4].replace(b'"hash":"', b'"hash":"00', 1).replace(b"00", b"", 1)
    lines[4] = lines[4].replace(lines[4][-40:-3], lines[4][-40:-3])
    link = thread.pieces[3]
    assert isinstance(link, StoredLink)
    thread.pieces[3] = replace(link, hash=bytes(32))

    event, words, code = told(checked(thread.lines()), file=Path("f"))

    assert (event["number"], event["id"], event["what"], event["line"], code) == (
        3,
        (3).to_bytes(16, "big").hex(),
        "hash",
        5,
        Exit.FAILED,
    )
    assert "event 3" in words
