"""`dispatch-host pair` at a front desk: shows the codes, asks the person, says how it ended. Called by `cli`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.cli import Console, Exit
from dispatch.keyboard import is_yes, read_line

from dispatch_host import phone_words, telling
from dispatch_host.front import Front
from dispatch_host.qr import drawn, write_picture


async def pair_at(
    front: Front, console: Console, *, png: Path | None, svg: Path | None, timeout_seconds: float
) -> Exit:
    """Pair; gives 0 when paired, 5 when somebody said no, 4 otherwise."""
    answers: asyncio.Queue[bool] = asyncio.Queue()
    start = pb.PairStart(timeout_ms=round(timeout_seconds * 1000))
    async with contextlib.aclosing(front.pair(start, answers)) as events:
        async for event in events:
            match event.WhichOneof("event"):
                case "qr":
                    _show(console, event.qr, png=png, svg=svg)
                case "code":
                    _ask(console, event.code, answers)
                case "warning":
                    _warn(console, event.warning)
                case "ended":
                    return _end(console, event.ended)
                case _:
                    pass
    return Exit.FAILED


def _show(console: Console, qr: pb.PairQr, *, png: Path | None, svg: Path | None) -> None:
    for path, kind in ((png, "png"), (svg, "svg")):
        if path is not None:
            write_picture(qr.link, path, kind=kind)
    words = f"{drawn(qr.link)}\nScan this with the phone, or paste this link there:\n{qr.link}\n"
    console.event(
        {
            "event": "qr",
            "link": qr.link,
            "png": str(png) if png else None,
            "svg": str(svg) if svg else None,
            "expires_at": qr.expires_at_ms,
        },
        "" if console.as_json else words,
    )


def _ask(console: Console, code: pb.PairCode, answers: asyncio.Queue[bool]) -> None:
    digits = console.styled(code.code, bold=True)
    console.event(
        {"event": "code", "code": code.code, "peer": code.peer},
        f"{code.peer} shows a code. Is it {digits}? Type yes if it is the same, anything else refuses.",
    )
    loop = asyncio.get_running_loop()

    def listen() -> None:
        yes = is_yes(read_line())
        # The ceremony may have ended while the person was thinking.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(answers.put_nowait, yes)

    threading.Thread(target=listen, daemon=True, name="answer").start()


def _warn(console: Console, warning: pb.PairWarning) -> None:
    told, said = phone_words.pairing_warned(warning), phone_words.pairing_warned(warning, console.words)
    when = {"retry_after_ms": warning.retry_after_ms} if warning.retry_after_ms else {}
    console.event(
        {
            "event": "warning",
            "reason": errors.word(warning.reason),
            "text": told.sentence,
            "advice": told.advice,
            **when,
        },
        console.styled(f"{said.sentence} {said.advice}", fg="yellow"),
    )


def _end(console: Console, ended: pb.PairEnded) -> Exit:
    told, said, more = telling.pairing_ended(ended, console.words)
    console.event(told, " ".join(filter(None, (console.styled(said, fg="red" if more else "green"), more))))
    if not ended.reason:
        return Exit.DONE
    return Exit.DENIED if isinstance(errors.of(ended.reason), errors.RefusedByPerson) else Exit.FAILED
