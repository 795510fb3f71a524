"""Whether a computer is kept awake, in words: held by what, or not because of what; never just "requested"."""

from __future__ import annotations

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import AwakeMode, KeepAwake
from dispatch.device import awake_words

ON, OFF, WHILE_RUNNING = AwakeMode.AWAKE_MODE_ON, AwakeMode.AWAKE_MODE_OFF, AwakeMode.AWAKE_MODE_WHILE_RUNNING


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (KeepAwake(mode=ON, held=True, held_by="logind"), "keep awake (on): held by logind"),
        (KeepAwake(mode=WHILE_RUNNING), "keep awake (while-running): not held now; it will be while a task runs"),
        (KeepAwake(mode=ON), "keep awake (on): not held yet"),
        (
            KeepAwake(mode=OFF, reason=Reason.REASON_KEEP_AWAKE_OFF),
            "keep awake (off): not held, because it is switched off",
        ),
        (
            KeepAwake(mode=ON, reason=Reason.REASON_KEEP_AWAKE_DENIED),
            "keep awake (on): not held, because the system does not allow it",
        ),
        (
            KeepAwake(mode=WHILE_RUNNING, reason=Reason.REASON_KEEP_AWAKE_UNAVAILABLE),
            "keep awake (while-running): not held, because nothing there could do it",
        ),
        (
            KeepAwake(mode=ON, reason=Reason.REASON_NOT_RUNNING),
            "keep awake (on): not held, because dispatch-host does not run",
        ),
    ],
)
def test_it_says_held_by_what_or_not_because_of_what(state: KeepAwake, words: str) -> None:
    assert awake_words.words(state) == words


@pytest.mark.parametrize("mode", [7, 0])
def test_a_host_of_another_version_or_a_strange_one_breaks_nothing(mode: AwakeMode.ValueType) -> None:
    state = KeepAwake(mode=mode, reason=Reason.REASON_HOST_ASLEEP)

    assert awake_words.told(state) == {"mode": None, "held": False, "held_by": None}
    assert awake_words.warning(state) is None
