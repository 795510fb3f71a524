"""Who can reach a host's address on the local network: a stranger, and the phone of a bench with its session and nobody's help."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import grpc
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2_grpc import ThreadServiceStub
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.channel import dial
from dispatch.status import from_rpc

from tests.support.host_bench import Bench
from tests.support.phone_end import PhoneEnd, Sent
from tests.support.waiting import DEADLINE_SECONDS, until


async def where(bench: Bench) -> str:
    """Give where the host listens."""
    async with bench.control() as control:
        return str((await control.status()).direct_addresses[0])


class Stranger:
    """One stream to the host. Use as an async context manager."""

    def __init__(self, address: str) -> None:
        self._channel = dial(address)
        self._call: Any = ThreadServiceStub(self._channel).Attach()
        self._write_lock = asyncio.Lock()  # a second write in flight ends the call here, and the host never hears of it

    async def __aenter__(self) -> Stranger:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        await self._channel.close()

    async def writes(self, *frames: relay.DeviceFrame) -> None:
        """Write frames; to a host that refuses without a look there may be nothing left to write to."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            async with self._write_lock:
                await self._call.write(relay.AttachRequest(frames=frames))

    async def says(self, sealed: bytes) -> None:
        """Write something in passing."""
        await self.writes(relay.DeviceFrame(live=relay.Live(sealed=sealed)))

    async def hears(self) -> list[relay.RelayFrame]:
        """Wait for what comes next; raises the refusal."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                response = await self._call.read()
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        assert isinstance(response, relay.AttachResponse)
        return list(response.frames)

    async def is_left(self) -> bool:
        """Wait until the host has ended the stream."""
        with contextlib.suppress(errors.DispatchError, AssertionError):
            while await self.hears():
                pass
        return True

    async def is_cut(self) -> bool:
        """Wait until the connection itself is gone."""
        state = grpc.ChannelConnectivity.READY
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (now := self._channel.get_state()) is state:
                await self._channel.wait_for_state_change(now)
        return True

    async def refusal(self) -> tuple[str, str]:
        """Wait until the host has refused; gives all that it said of why."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                response = await self._call.read()
            assert not isinstance(response, relay.AttachResponse), "it was answered"
            raise AssertionError("it ended in peace")
        except grpc.aio.AioRpcError as failure:
            return failure.code().name, str(failure.details())


class LanPhone(Stranger):
    """The phone, on the host's network: what the host says is heard as it comes, and kept if the test wants."""

    def __init__(self, address: str, phone: PhoneEnd, *, shakes_hands: bool = False) -> None:
        super().__init__(address)
        self._phone = phone
        self._shakes_hands = shakes_hands
        self._hearing: asyncio.Task[None] | None = None
        self.keeps = True
        """Whether it says that it has the rows that come."""
        self.why: errors.DispatchError | None = None
        """What the host ended the stream with."""
        self.rows: list[relay.Deliver] = []

    async def __aenter__(self) -> LanPhone:
        items = [pb.UpLiveItem(probe=pb.Probe(number=7))]
        if self._shakes_hands:
            await self.says(self._phone.message1())
            self._phone.takes_live((await self.hears())[0].live.sealed)
            items.insert(0, pb.UpLiveItem(confirm=pb.Confirm()))
        self._phone.live.clear()
        await self.says_in_session(*items)
        self._hearing = asyncio.create_task(self._hear())
        await until(lambda: any(item.probe_reply.number == 7 for item in self._phone.live) or self.is_over)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._hearing is not None
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        await super().__aexit__()

    @property
    def is_over(self) -> bool:
        """Whether the host has ended the stream."""
        return self._hearing is not None and self._hearing.done()

    async def says_in_session(self, *items: pb.UpLiveItem) -> None:
        """Seal something and write it."""
        await self.says(self._phone.session.seal_live(pb.UpLive(items=items).SerializeToString()))

    async def posts(self, sent: Sent) -> None:
        """Write a command."""
        post = relay.Post(message_id=sent.message_id, sealed=sent.sealed)
        await self.writes(relay.DeviceFrame(post=post))

    async def is_told(self, about: Callable[[pb.DownLiveItem], object]) -> pb.DownLiveItem:
        """Wait for something said in passing."""
        await until(lambda: any(about(item) for item in self._phone.live))
        return next(item for item in self._phone.live if about(item))

    async def sends(self, text: str, **changed: Any) -> Sent:
        """Post a task that the host takes."""
        sent = self._phone.task(text, direct=True, **changed)
        await self.posts(sent)
        await self.is_told(lambda item: item.taken.message_id == sent.message_id)
        return sent

    async def go(self, sent: Sent) -> None:
        """Give a command its go."""
        await self.says_in_session(pb.UpLiveItem(go=pb.Go(message_id=sent.message_id)))

    async def _hear(self) -> None:
        try:
            with contextlib.suppress(AssertionError):
                while True:
                    for frame in await self.hears():
                        await self._take(frame)
        except errors.DispatchError as failure:
            self.why = failure

    async def _take(self, frame: relay.RelayFrame) -> None:
        if frame.HasField("live"):
            self._phone.takes_live(frame.live.sealed)
            return
        self.rows.append(frame.deliver)
        self._phone.takes_row(relay.Post(message_id=frame.deliver.message_id, sealed=frame.deliver.sealed))
        if self.keeps:
            await self.says_in_session(pb.UpLiveItem(kept=pb.Kept(message_ids=[frame.deliver.message_id])))
