"""Pairing from the host's side, as events and answers: what the command line and the control service both speak.

The ceremony is driven by `dispatch.device.ceremony`; here it meets a person who sits behind a stream, and the host's own
store. docs/encryption.md "Pairing" says what must be on the disk before step 8 goes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.cli import policy_told
from dispatch.clock import Clock
from dispatch.device.ceremony import host_pair
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn, session_of
from dispatch.ids import PairId
from dispatch.pairing.ceremony import Paired

from dispatch_host import entries
from dispatch_host.journal import Tx, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.owned import Owned
from dispatch_host.pairings import keep

InService = Callable[[Pairing, list[PairId]], Awaitable[None]]
"""Takes a new pairing into service, in place of those that it replaces."""


@dataclass(frozen=True, slots=True)
class _Person:
    """A person behind two queues."""

    events: asyncio.Queue[pb.PairResponse]
    answers: asyncio.Queue[bool]
    clock: Clock

    def show(self, link: str, seconds: float) -> None:
        expires_at_ms = self.clock.wall_ms() + round(seconds * 1000)
        self.events.put_nowait(pb.PairResponse(qr=pb.PairQr(link=link, expires_at_ms=expires_at_ms)))

    async def same(self, code: str, peer: str) -> bool:
        # What was said before the code was there was not an answer to it; the end of the caller's side still is one.
        hung_up = False
        while not self.answers.empty():
            hung_up = not self.answers.get_nowait()
        self.events.put_nowait(pb.PairResponse(code=pb.PairCode(code=code, peer=peer)))
        return not hung_up and await self.answers.get()

    def warn(self, error: errors.DispatchError) -> None:
        warning = pb.PairWarning(reason=error.reason, retry_after_ms=error.retry_after_ms)
        self.events.put_nowait(pb.PairResponse(warning=warning))


async def invite(
    owned: Owned, start: pb.PairStart, answers: asyncio.Queue[bool], *, paired: InService
) -> AsyncGenerator[pb.PairResponse, None]:
    """Show codes until a phone is paired, somebody says no, or the time is over. The last event is PairEnded.

    Raises SignInRequired before the first event; closing the generator ends the offer.
    """
    signed_in = SignIn.required(owned.home)
    events: asyncio.Queue[pb.PairResponse] = asyncio.Queue()
    working = asyncio.create_task(_ceremony(owned, signed_in, start, _Person(events, answers, owned.clock), paired))
    working.add_done_callback(lambda done: events.put_nowait(_ended(done)))
    try:
        while True:
            event = await events.get()
            yield event
            if event.HasField("ended"):
                return
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _ceremony(
    owned: Owned, signed_in: SignIn, start: pb.PairStart, person: _Person, in_service: InService
) -> Paired:
    async def commit(result: Paired) -> None:
        await in_service(*await _commit(owned, signed_in, result))

    client = PairingClient(
        server=signed_in.server,
        identity=owned.identity(),
        session=session_of(owned.store),
        dialler=signed_in.dialler(plaintext=owned.plaintext),
    )
    async with client, asyncio.timeout(start.timeout_ms / 1000 if start.timeout_ms else None):
        return await host_pair(
            client,
            service=signed_in.service_name,
            name=signed_in.device_name,
            public_key=owned.key.public,
            sign=owned.key.sign,
            rng=owned.rng,
            person=person,
            commit=commit,
        )


async def _commit(owned: Owned, signed_in: SignIn, result: Paired) -> tuple[Pairing, list[PairId]]:
    """Make the pairing exist on this host: keys first, then the journal's row, which is what counts."""
    pairing = Pairing(
        pair_id=result.keys.pair_id,
        phone_key=result.peer_key,
        phone_name=result.peer_name,
        attestation=result.attestation,
        phone_signature=result.phone_signature,
        host_signature=result.host_signature or b"",
    )
    await keep(owned.journal, owned.store, result.keys)

    def write(tx: Tx) -> tuple[Pairing, list[PairId]]:
        joined = threads.join(tx, pairing)
        if joined is None:
            raise errors.Internal("this pairing is there already")
        entry = entries.paired(phone_name=result.peer_name, host_name=signed_in.device_name, again=joined.again)
        owned.scribe.write(tx, pairing.pair_id, [entry])
        return next(one for one in threads.pairings(tx) if one.pair_id == pairing.pair_id), list(joined.replaced)

    return await owned.journal.step(write)


def _ended(done: asyncio.Task[Paired]) -> pb.PairResponse:
    """Give the last event."""
    if done.cancelled():
        return pb.PairResponse(ended=pb.PairEnded(reason=errors.Internal.reason))
    failure = done.exception()
    if failure is None:
        result = done.result()
        return pb.PairResponse(ended=pb.PairEnded(pair_id=result.keys.pair_id, peer=result.peer_name))
    if isinstance(failure, TimeoutError):
        failure = errors.OfferExpired()
    error = failure if isinstance(failure, errors.DispatchError) else errors.Internal()
    return pb.PairResponse(ended=pb.PairEnded(reason=error.reason, metadata=policy_told(error)))
