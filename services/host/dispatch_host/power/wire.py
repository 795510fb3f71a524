"""The switch as the contract says it: to phones under the seal, to the command line through the socket."""

from __future__ import annotations

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1.host_pb2 import KeepAwakeStatus
from dispatch.api.thread.v1.thread_pb2 import AwakeMode, KeepAwake
from dispatch.device.awake_words import MODES, mode_word

from dispatch_host.power.awake import Awake, Mode


def mode_of(said: AwakeMode.ValueType) -> Mode:
    """Read what the owner wants. Raises BadRequest."""
    word = mode_word(said)
    if not word:
        raise errors.BadRequest("on, off or while-running", metadata={"field": "mode"})
    return Mode(word)


def told(awake: Awake) -> KeepAwake:
    """Write how it stands, for phones."""
    return KeepAwake(mode=MODES[awake.mode.value], held=bool(awake.held_by), held_by=awake.held_by, reason=awake.reason)


def status(awake: Awake) -> KeepAwakeStatus:
    """Write how it stands while the host runs."""
    return KeepAwakeStatus(state=told(awake), detail=awake.detail)


def status_without_host(mode: Mode) -> KeepAwakeStatus:
    """Write how it stands when no host runs: nothing is held then, whatever is wanted."""
    reason = Reason.REASON_KEEP_AWAKE_OFF if mode is Mode.OFF else Reason.REASON_NOT_RUNNING
    return status(Awake(mode=mode, reason=reason))
