"""Takes what a phone says of where and when it wants to be called. Used by `room`. docs/push.md "Registering"."""

from __future__ import annotations

from functools import partial

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import short
from dispatch.runtime.logs import get_logger

from dispatch_relay import frames
from dispatch_relay.log import Done, Failed, SetTarget
from dispatch_relay.place import RETRY_STORE_MS, Place
from dispatch_relay.push import target
from dispatch_relay.push.reach import Reach
from dispatch_relay.stream import Stream

_log = get_logger()


class Targets:
    """The push target of a place."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def said(self, stream: Stream, said: pb.PushTarget) -> None:
        """Keep what the phone said, and answer when it is kept, or why it is not."""
        try:
            wanted = self._read(stream, said)
        except errors.DispatchError as no:
            self._refuse(stream, no)
            return
        stream.submitted()
        self._place.submit(SetTarget(self._place.pair_id, wanted), partial(self._kept, stream=stream, wanted=wanted))

    def _read(self, stream: Stream, said: pb.PushTarget) -> target.Target:
        tools = self._place.tools
        if wait_ms := stream.targets.take(now_ms=self._place.now()):
            raise errors.RateLimited(retry_after_ms=wait_ms)
        wanted = target.read(said, reach=Reach.of(tools.settings.push_networks))
        if (wanted.endpoint and not tools.push.key) or (wanted and not tools.push.takes_targets):
            raise errors.NotSupported("this relay calls nobody there")
        return wanted

    def _kept(self, result: Done | Failed, *, stream: Stream, wanted: target.Target) -> None:
        stream.settled()
        if isinstance(result, Failed):
            self._refuse(stream, errors.StoreFailed(retry_after_ms=RETRY_STORE_MS))
            return
        place = self._place
        _log.info(
            "push target", endpoint=bool(wanted.endpoint), quiet=wanted.quiet is not None, pairing=short(place.pair_id)
        )
        place.tools.push.changed(place.pair_id)
        stream.say(frames.push_target_kept())

    def _refuse(self, stream: Stream, no: errors.DispatchError) -> None:
        stream.say(frames.push_target_kept(no.reason, retry_after_ms=no.retry_after_ms, detail=no.detail))
