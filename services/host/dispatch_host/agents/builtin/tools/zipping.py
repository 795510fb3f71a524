"""Packs a folder or files into a zip, and unpacks one into a folder of its own. Makes a plan."""

from __future__ import annotations

import os
import stat
import zipfile
from dataclasses import replace

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, NothingThere
from dispatch_host.agents.builtin.markdown import code, number, plural, size
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.tools import planning
from dispatch_host.agents.builtin.tools.planning import Planning
from dispatch_host.agents.builtin.tools.rows import open_or_say
from dispatch_host.changes import MOST_STEPS, Convert, How, MakeFolder, Packing, Plan, Step, TooMany, Zip
from dispatch_host.scope import Refused

_MOST_SOURCES = 1000
_LONGEST_NAME = 4096  # a file of a longer one can't be made on any system, and each part of it would be a folder


def pack(query: Query, bench: Bench) -> Findings:
    """Plan one archive of the folders or files that a request means."""
    bench.step("Looking for what to zip", bench.around())
    made = Planning(bench)
    narrowed = query.paths or query.file or query.kind or query.name or query.count or query.since or query.until
    if narrowed or query.minimum_bytes is not None or query.maximum_bytes is not None:
        entries = planning.selected(query, bench)
        if not entries:
            return Findings(matching.missing(query, bench))
        if len(entries) > _MOST_SOURCES:
            text = f"That is more than {number(_MOST_SOURCES)} files. Zip their folder, or fewer. Nothing was changed."
            raise CannotDo(NotDoneReason.NEEDS_AGENT, text)
        sources = [planning.absolute(entry) for entry in entries]
    else:
        sources = [place.root.absolute(place.path) for place in bench.places]
        entries = []
    base = os.path.commonpath([os.path.dirname(source) for source in sources])
    try:
        packing = Packing.of(bench.scope, sources, base)
    except TooMany:
        raise CannotDo(NotDoneReason.NEEDS_AGENT, "Those are more files than I pack into one archive.") from None
    except Refused as refused:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"{code(refused.path)} is {refused.reason}.") from None
    if not packing.files:
        raise NothingThere(f"There is nothing to zip in {bench.where()}: no file is there that I may read.")
    # Beside what is packed; inside of it when it is an approved folder, for what lies around that is nobody's leave.
    wished = base if made.hands.may(os.path.join(base, "x")) else sources[0]
    target = made.free(os.path.join(made.folder_for(wished), _name(query, sources)))
    if made.room(target) < packing.most_bytes:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE, f"The disk has no room for {size(packing.size)}. Nothing was changed."
        )
    step = Zip(tuple(sources), target, base, packing.files, packing.size, packing.most_bytes, packing.listing)
    left = f"{plural(packing.left_out, 'file')} left out that I may not read." if packing.left_out else ""
    title = f"Zip {plural(packing.files, 'file')} ({size(packing.size)})"
    return Findings("\n\n".join(filter(None, (left, bench.remarks()))), entries, plan=Plan(title, (step,)))


def _name(query: Query, sources: list[str]) -> str:
    if query.target:
        name = planning.new_name(query.target)
        return name if name.casefold().endswith(".zip") else f"{name}.zip"
    if len(sources) == 1:
        name = os.path.basename(sources[0])
        return f"{name}.zip" if name.startswith(".") or "." not in name else f"{name.rpartition('.')[0]}.zip"
    what = matching.kind_words(query.kind) if query.kind else "files"
    return f"{what.removeprefix('.').replace(' ', '-')}.zip"


def unpack(query: Query, bench: Bench) -> Findings:
    """Plan a new folder with the files of an archive. Nothing in it leads out of that folder, whatever its names say."""
    bench.step("Looking for the archive", bench.around())
    entry = matching.one(query if query.kind or query.file or query.paths else _zips(query), bench)
    if entry is None:
        return Findings(matching.missing(query, bench))
    try:
        with open_or_say(entry, bench) as file, zipfile.ZipFile(file) as archive:
            inside = archive.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            f"{code(bench.show(entry))} can't be unpacked: it is damaged, or no zip. Nothing was changed.",
        ) from None
    made = Planning(bench)
    source = planning.absolute(entry)
    outer = made.folder_for(os.path.dirname(source))
    top = made.free(os.path.join(outer, entry.name.rpartition(".")[0] or f"{entry.name} files"), of_a_folder=True)
    steps: list[Step] = [MakeFolder(top)]
    left_out = total = files = 0
    folders = {top}
    for place, info in enumerate(inside):
        parts = _parts(info)
        if parts is None:
            left_out += 1
            continue
        inner = parts if info.is_dir() else parts[:-1]
        path = top
        for part in inner:
            path = os.path.join(path, part)
            if path not in folders and not made.is_given(path):
                folders.add(path)
                made.give(path)
                steps.append(MakeFolder(path))
        if info.is_dir():
            continue
        target = os.path.join(path, parts[-1])
        if path not in folders or made.is_given(target):
            left_out += 1  # two entries of one name, or a file where a folder would be
            continue
        made.give(target)
        total += info.file_size
        files += 1
        of = planning.facts(entry)
        steps.append(Convert(source, target, of, How.ENTRY, info.file_size, info.filename, place, info.CRC))
    if not files:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            f"{code(bench.show(entry))} holds no file that I can unpack. Nothing was changed.",
        )
    if len(steps) > MOST_STEPS or sum(len(str(step)) for step in steps) > planning.ROOM_BYTES:
        raise CannotDo(
            NotDoneReason.NEEDS_AGENT,
            f"{code(bench.show(entry))} holds {plural(files, 'file')}, more than I unpack at once.",
        )
    if made.room(top) < total:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"The disk has no room for {size(total)}. Nothing was changed.")
    remark = (
        f"{plural(left_out, 'entry', 'entries')} of the archive left out: links, encrypted ones, and names that lead out "
        "of the folder or stand there twice."
    )
    title = f"Unpack {plural(files, 'file')} ({size(total)}) out of {planning.quoted(entry.name)}"
    return Findings(remark if left_out else "", [entry], plan=Plan(title, tuple(steps)))


def _zips(query: Query) -> Query:
    return replace(query, kind=".zip")


def _parts(info: zipfile.ZipInfo) -> list[str] | None:
    """Take an entry's name apart; None for one that is no plain file or folder, or leads anywhere else."""
    mode = info.external_attr >> 16
    if info.flag_bits & 1 or (stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)):
        return None
    name = info.filename
    if (
        len(name) > _LONGEST_NAME
        or name.startswith(("/", "\\"))
        or "\0" in info.orig_filename
        or "\\" in name
        or name[1:2] == ":"
    ):
        return None
    parts = name.rstrip("/").split("/")
    if any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts):
        return None
    return parts
