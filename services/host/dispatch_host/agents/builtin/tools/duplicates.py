"""Files with the same contents: by size, then by a digest of their beginning, then of everything."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable

from dispatch_host.agents.builtin.bench import Bench, Findings, style
from dispatch_host.agents.builtin.markdown import Answer, Table, code, number, plural, size
from dispatch_host.agents.builtin.matching import ordered, select
from dispatch_host.agents.builtin.query import Action, Query, Sort, Style
from dispatch_host.agents.builtin.tools.listing import REMEMBERED, looked
from dispatch_host.scope import Entry, Refused

_HEAD_BYTES = 64 * 1024
_BLOCK_BYTES = 1024 * 1024
_GROUPS = 25
_NAMES = 10


def duplicates(query: Query, bench: Bench) -> Findings:
    """Find groups of files with the same contents; the group that wastes most comes first."""
    bench.step("Comparing files", bench.around())
    by_size: dict[int, list[Entry]] = defaultdict(list)
    names: set[tuple[int, int]] = set()
    same_file = 0
    empty = 0
    for entry in select(query, bench):
        if entry.size == 0:
            empty += 1
        elif entry.links > 1 and (entry.device, entry.inode) in names:
            same_file += 1
        else:
            names.add((entry.device, entry.inode)) if entry.links > 1 else None
            by_size[entry.size].append(entry)
    reader = _Digests(bench, sum(size_ * len(group) for size_, group in by_size.items() if len(group) > 1))
    groups: list[list[Entry]] = []
    for group in by_size.values():
        if len(group) < 2:
            continue
        for alike in _split(group, reader.head):
            groups.extend([alike] if alike[0].size <= _HEAD_BYTES else _split(alike, reader.whole))
    groups.sort(key=lambda group: (-group[0].size * (len(group) - 1), group[0].path))
    answer = Answer()
    _write(answer, groups, query, bench)
    if same_file:
        answer.add(
            f"{plural(same_file, 'further name')} of the same file (hard links) left out: they take no space of their own."
        )
    if empty:
        answer.add(f"{plural(empty, 'empty file')} left out.")
    if reader.refused:
        answer.add(
            f"{plural(reader.refused, 'file')} could not be read and {'was' if reader.refused == 1 else 'were'} not compared."
        )
    for remark in (looked(bench), bench.remarks()):
        if remark:
            answer.add(remark)
    # "The second one" is the second group; its files are alike, so the first of them stands for all.
    items = [ordered(group, Sort.NAME)[0] for group in groups][:REMEMBERED]
    return Findings(answer.text(), items, follow=Query(action=Action.SUMMARISE))


def _write(answer: Answer, groups: list[list[Entry]], query: Query, bench: Bench) -> None:
    if not groups:
        answer.add(f"No two files in {bench.where()} have the same contents.")
        return
    extra = sum(len(group) - 1 for group in groups)
    wasted = sum(group[0].size * (len(group) - 1) for group in groups)
    answer.add(
        f"**{plural(len(groups), 'group')} of identical files** in {bench.where()}: "
        f"{plural(extra, 'surplus copy', 'surplus copies')}, {size(wasted)} ({number(wasted)} bytes) could be freed."
    )
    limit = query.count or _GROUPS
    if style(query, Style.LIST) is Style.TABLE:
        rows = [
            [str(index), code(bench.show(entry)), size(entry.size), number(entry.size)]
            for index, group in enumerate(groups[:limit], start=1)
            for entry in ordered(group, Sort.NAME)
        ]
        answer.table(Table(["Group", "File", "Size", "Bytes"], list(rows), right=frozenset({0, 2, 3})), Style.TABLE)
    else:
        for index, group in enumerate(groups[:limit], start=1):
            lines = [f"{index}. {len(group)} × {size(group[0].size)} ({number(group[0].size)} bytes each)"]
            lines += [f"   - {code(bench.show(entry))}" for entry in ordered(group, Sort.NAME)[:_NAMES]]
            if len(group) > _NAMES:
                lines.append(f"   - … and {number(len(group) - _NAMES)} more")
            answer.add("\n".join(lines))
    if len(groups) > limit:
        answer.add(f"… and {number(len(groups) - limit)} more groups.")


def _split(entries: Iterable[Entry], digest: Callable[[Entry], bytes | None]) -> list[list[Entry]]:
    """Split files by digest into groups of two and more."""
    groups: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in entries:
        value = digest(entry)
        if value is not None:
            groups[value].append(entry)
    return [group for group in groups.values() if len(group) > 1]


class _Digests:
    """Reads files for comparing; counts those that can't be read."""

    def __init__(self, bench: Bench, total_bytes: int) -> None:
        self.refused = 0
        self._bench = bench
        self._done = 0
        self._total = total_bytes

    def head(self, entry: Entry) -> bytes | None:
        return self._digest(entry, _HEAD_BYTES)

    def whole(self, entry: Entry) -> bytes | None:
        return self._digest(entry, None)

    def _digest(self, entry: Entry, limit: int | None) -> bytes | None:
        digest = hashlib.blake2b(digest_size=32)
        try:
            with self._bench.scope.open_file(entry.root, entry.path, buffering=0) as file:
                left = limit
                while block := file.read(_BLOCK_BYTES if left is None else left):
                    digest.update(block)
                    if left is not None:
                        left -= len(block)
                        if not left:
                            break
                    else:
                        self._done += len(block)
                        self._bench.progress(self._done, self._total, "bytes")
        except (Refused, OSError):
            self.refused += 1
            return None
        return digest.digest()
