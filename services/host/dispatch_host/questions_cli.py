"""`dispatch-host questions` and `answer`: what agents ask, and the person's word on it. Added to the program by `cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.command import Shared, at_desk, task_meant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatch.api.host.v1.host_pb2 import OpenQuestion

    from dispatch_host.front import Front


def questions(context: typer.Context) -> None:
    """List what agents ask and nobody has answered."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        found = await _shown(front, shared)
        if not found and not shared.as_json:
            shared.console.event({}, "Nothing is asked.")
        return Exit.DONE

    at_desk(shared, work)


async def _shown(front: Front, shared: Shared) -> Sequence[OpenQuestion]:
    """Show all that is asked, the whole of it."""
    from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

    found = (await front.list_questions(shows=True)).questions
    for one in found:
        shared.console.event(telling.question(one), "\n".join(telling.question_lines(one, shared.console.words)))
    return found


def answer(
    context: typer.Context,
    task_id: Annotated[str, typer.Argument(help="The task that asks, or the beginning of its id.", show_default=False)],
    words: Annotated[
        list[str],
        typer.Argument(help="once, task, always or deny; a choice or its number; or words.", show_default=False),
    ],
) -> None:
    """Answer what a task asks; the first answer, here or on the phone, counts."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.api.thread.v1 import thread_pb2 as pb  # noqa: PLC0415 -- quick `--help`
        from dispatch.device import question_words  # noqa: PLC0415
        from dispatch.device.telling import task_word  # noqa: PLC0415
        from dispatch.ids import ID_BYTES  # noqa: PLC0415

        wanted = await task_meant(front, task_id)
        asked = next((one for one in (await front.list_questions()).questions if one.task_id == wanted), None)
        if asked is None:
            # Names no question that there is, so it answers none: it says whether there is such a task, and whether it is over.
            await front.answer_question(wanted, pb.Answer(question_id=bytes(ID_BYTES)))
            raise errors.QuestionClosed
        if not asked.shown:
            # The words may be meant for one that was open before: an agent can take its question back and ask another.
            await _shown(front, shared)
            raise errors.QuestionUnseen
        said = question_words.read(asked.question, " ".join(words))
        await front.answer_question(wanted, said)
        told = {"event": "answered", "task_id": task_word(wanted), "question_id": said.question_id.hex()}
        text = question_words.approval_word(said.approval) or said.text
        shared.console.event({**told, "text": text}, f"Answered: {text}")
        return Exit.DONE

    at_desk(shared, work)
