"""The lines of a text file, whatever its encoding and however long they are."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin.bench import Bench, CannotDo
from dispatch_host.agents.builtin.markdown import code
from dispatch_host.agents.builtin.tools.encoding import HEAD_BYTES, Encoding, detect
from dispatch_host.scope import Entry

_BLOCK_BYTES = 256 * 1024
_LINE = 1024 * 1024  # characters kept of one line; the rest of it is dropped


class NotText(CannotDo):
    """The file is binary."""


def blocks(file: BinaryIO, encoding: Encoding) -> Iterator[str]:
    """Give a file's text piece by piece, line ends as newlines."""
    decoder = codecs.getincrementaldecoder(encoding.codec)(encoding.errors)
    held = ""
    first = True
    while True:
        raw = file.read(_BLOCK_BYTES)
        piece = held + decoder.decode(raw, final=not raw)
        if first:
            piece, first = piece.removeprefix("\ufeff"), False
        held = ""
        if raw and piece.endswith("\r"):  # its newline may be in the next piece
            piece, held = piece[:-1], "\r"
        if "\r" in piece:
            piece = piece.replace("\r\n", "\n").replace("\r", "\n")
        if piece:
            yield piece
        if not raw:
            return


def lines(file: BinaryIO, bench: Bench, entry: Entry) -> Iterator[str]:
    """Give the lines of a text file. Raises NotText, which ends the task, when it is binary."""
    head = file.read(HEAD_BYTES)
    encoding = detect(head)
    if encoding is None:
        raise NotText(
            NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} is not a text file, so it has no lines to show."
        )
    file.seek(0)
    kept = ""
    done = 0
    for piece in blocks(file, encoding):
        done += len(piece)
        bench.progress(min(done, entry.size), entry.size, "bytes")
        *whole, rest = piece.split("\n")
        for index, line in enumerate(whole):
            yield kept + line if not index else line
            kept = "" if not index else kept
        kept = (kept + rest)[:_LINE]
    if kept:
        yield kept
