"""What falls due by time on the direct path, where this phone decides about its commands."""

from __future__ import annotations

import random
from typing import Any

from dispatch.api.relay.v1.relay_pb2 import Post as PostFrame
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.ids import MessageId, TaskId
from mobile_sim.direct import Way
from mobile_sim.direct_side import DirectSide
from mobile_sim.ledger import Ledger
from mobile_sim.shared import Common
from mobile_sim.store import Post, Store, Task, Verdict

from tests.unit.phone.conftest import PAIR, HandClock

FIRST, SECOND = MessageId(b"1" * 16), MessageId(b"2" * 16)


class Told:
    """What the host would be told: all that the side needs of a talk here."""

    def __init__(self) -> None:
        self.items: list[words.UpLiveItem] = []

    def later(self, item: words.UpLiveItem) -> None:
        self.items.append(item)

    def flush(self) -> None:
        pass


def test_a_second_command_that_is_not_taken_has_its_end_when_the_first_has_had_its_own(store: Store) -> None:
    clock, told = HandClock(), Told()
    ledger = Ledger(store, PAIR, clock)
    common = Common(
        store=store,
        pair_id=PAIR,
        ledger=ledger,
        clock=clock,
        right=unasked,
        reader=unasked,
        step=store.transaction,
    )
    talk: Any = told
    pairing: Any = None
    side = DirectSide(
        common=common,
        talk=talk,
        pairing=pairing,
        way=Way.DIRECT,
        relay_open=lambda: False,
        over=unasked,
        chance=random.Random(1),
    )
    for message_id, until_ms in ((FIRST, 1_000), (SECOND, 1_300)):
        posts(store, ledger, message_id)
        side.post(PostFrame(message_id=message_id), until_ms=until_ms)
    assert side.due(0) == [1_001]

    assert side.due(1_001) == [300]
    assert side.due(1_301) == []

    assert [item.withdraw.message_id for item in told.items] == [FIRST, SECOND]
    assert [post.verdict for post in map(store.tasks.post, (FIRST, SECOND)) if post] == [Verdict.REFUSED] * 2


def posts(store: Store, ledger: Ledger, message_id: MessageId) -> None:
    """Keep a command as one that goes by the direct path."""
    task_id = TaskId(message_id)
    task = Task(task_id=task_id, pair_id=PAIR, text="build it", made_at_ms=2, after_number=0, state="new")
    post = Post(
        message_id=message_id, pair_id=PAIR, task_id=task_id, action="task", attempt=1, posted_at_ms=0, direct=True
    )
    with store.transaction():
        store.tasks.add(task)
        ledger.posted(post, until_ms=60_000)


def unasked(*_: object) -> Any:
    raise AssertionError("nothing here asks for it")
