"""Drives the pairing ceremony over the pairing service, on either side. The rules are `dispatch.pairing`'s, which is pure.

A person is asked through `Person`; what must be remembered goes through `commit` before the other side can hear of it
(docs/encryption.md, "Pairing"). Whatever goes wrong ends in one DispatchError, and the offer is ended at the service too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Protocol

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.device.pairing_client import PairingClient
from dispatch.endings import to_its_end
from dispatch.ids import OfferId, Rng
from dispatch.pairing.ceremony import Ceremony, CeremonyFailed, Failure, Outgoing, Paired, State
from dispatch.pairing.host import HostCeremony
from dispatch.pairing.link import Code, Offer
from dispatch.pairing.phone import PhoneCeremony
from dispatch.signatures import Signer

CLAIM_SECONDS = 120.0
CONFIRM_SECONDS = 120.0
_RETRY_SECONDS = 0.5
_GOODBYE_SECONDS = 3.0
_AWAY = (errors.NoNetwork, errors.Draining)
"""What a service says that will be there again: the ceremony goes on then, for it keeps offers and their steps."""

Commit = Callable[[Paired], Awaitable[None]]


class Person(Protocol):
    """The person in front of the device."""

    def show(self, link: str, seconds: float) -> None:
        """Show a fresh code, good for that long. On the host only."""

    async def same(self, code: str, peer: str) -> bool:
        """Ask whether the other device shows the same code. Cancelled when the ceremony ends meanwhile."""

    def warn(self, error: errors.DispatchError) -> None:
        """Tell something while the ceremony goes on."""


async def host_pair(
    client: PairingClient,
    *,
    service: str,
    name: str,
    public_key: bytes,
    sign: Signer,
    rng: Rng,
    person: Person,
    commit: Commit,
) -> Paired:
    """Show codes until a phone is paired; a code that nobody claims is followed by a fresh one.

    Runs until it is cancelled, somebody says no (RefusedByPerson), this host shows codes from elsewhere too (OfferReplaced: the
    newest counts) or something fails. `commit` makes the pair ACTIVE on
    this host; the service is told afterwards with `complete`, here once and later by the caller until it answers.
    """
    while True:
        offer = Offer.make(service=service, rng=rng)
        ceremony = HostCeremony(offer, own_ed25519=public_key, own_name=name, rng=rng)
        side = _Side(client, offer.code.offer_id, ceremony, sign=sign, person=person, commit=commit)
        try:
            await client.create_offer(offer.code.offer_id, offer.code.claim_token_hash)
        except errors.RateLimited as limit:
            # Begun again and again within an hour: the next code has to wait.
            person.warn(limit)
            await asyncio.sleep(max(limit.retry_after_ms / 1000, _RETRY_SECONDS))
            continue
        person.show(offer.code.link, CLAIM_SECONDS)
        try:
            paired = await side.run(first=[], within=CLAIM_SECONDS)
        except errors.OfferExpired:
            if side.claimed:
                raise
            continue
        except asyncio.CancelledError:
            if side.committed is not None:
                # The phone hears by this that the offer is over, and that its pairing stands: else it waits, and forgets it.
                with contextlib.suppress(errors.DispatchError, TimeoutError):
                    async with asyncio.timeout(_GOODBYE_SECONDS):
                        await complete(client, side.committed, offer.code.offer_id)
            raise
        with contextlib.suppress(errors.DispatchError):
            await complete(client, paired, offer.code.offer_id)
        return paired


async def phone_pair(
    client: PairingClient,
    *,
    code: Code,
    name: str,
    public_key: bytes,
    sign: Signer,
    rng: Rng,
    person: Person,
    commit: Commit,
    within_seconds: float = CONFIRM_SECONDS,
) -> Paired:
    """Claim the offer behind a scanned code and pair. `within_seconds`: what both people have; a seam for tests.

    `commit` is called twice: with the provisional result (no host signature) before the host can hear of the yes, and with
    the final one. When this raises NoNetwork after the first, or is cancelled, the caller keeps the provisional pair: the
    host may have completed it.
    """
    ceremony = PhoneCeremony(code, own_ed25519=public_key, own_name=name, rng=rng)
    await client.claim_offer(code.offer_id, code.claim_token)
    side = _Side(client, code.offer_id, ceremony, sign=sign, person=person, commit=commit)
    try:
        first = ceremony.begin()
    except CeremonyFailed as failed:
        raise errors.HandshakeFailed(failed.why.value) from failed
    return await side.run(first=first, within=within_seconds)


async def complete(client: PairingClient, paired: Paired, offer_id: bytes = b"") -> None:
    """Tell the service what both devices signed. Repeated by the host until it is answered."""
    await client.complete_pairing(
        pb.CompletePairingRequest(
            attestation=paired.attestation,
            phone_signature=paired.phone_signature,
            host_signature=paired.host_signature or b"",
            offer_id=offer_id,
        )
    )


class _Side:
    """One side of one offer: what the service tells, what the person says, what the machine answers."""

    def __init__(
        self,
        client: PairingClient,
        offer_id: OfferId,
        ceremony: HostCeremony | PhoneCeremony,
        *,
        sign: Signer,
        person: Person,
        commit: Commit,
    ) -> None:
        self.claimed = isinstance(ceremony, PhoneCeremony)
        self.committed: Paired | None = None
        """What the device has kept."""
        self._client = client
        self._offer_id = offer_id
        self._ceremony: Ceremony = ceremony
        self._confirm = ceremony.confirm
        self._sign = sign
        self._person = person
        self._commit = commit

    async def run(self, *, first: list[Outgoing], within: float) -> Paired:
        """Hold the ceremony to its end. Raises why there is no pair, after the service was told."""
        asked: asyncio.Task[bool] | None = None
        events = _events(self._client, self._offer_id)
        coming: asyncio.Task[pb.FollowOfferResponse] = asyncio.ensure_future(anext(events))
        try:
            async with asyncio.timeout(within) as time:
                await self._send(first)
                while self._ceremony.state is not State.PAIRED:
                    waiting: Iterable[asyncio.Task[object]] = {task for task in (asked, coming) if task is not None}
                    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    if asked in done and asked is not None:
                        await self._answered(asked.result())
                        asked = None
                    if coming in done:
                        event = coming.result()
                        if event.HasField("claimed") and not self.claimed:
                            self.claimed = True
                            time.reschedule(asyncio.get_running_loop().time() + CONFIRM_SECONDS)
                        if await self._heard(event) and self._ceremony.code is not None:
                            asked = asyncio.ensure_future(
                                self._person.same(self._ceremony.code, self._ceremony.peer_name or "")
                            )
                        coming = asyncio.ensure_future(anext(events))
        except BaseException as failure:
            if self._ceremony.state is State.PAIRED and self.committed is not None:
                # Only the last word did not go out, and the first session makes up for that. Nobody is told that it was refused.
                if isinstance(failure, Exception):
                    return self.committed
                raise
            error = _why(failure)
            told = await self._end(error)
            if error is None:
                raise
            if isinstance(failure, TimeoutError) and self.committed is not None and not told:
                # Whoever does not reach the service can't know whether their yes arrived, and what the host made of it.
                error = errors.NoNetwork("whether the other device heard the yes is not known")
            raise error from failure
        finally:
            started = [task for task in (asked, coming) if task is not None]
            for task in started:
                task.cancel()
            await asyncio.gather(*started, return_exceptions=True)
            await events.aclose()
        if self.committed is None:
            raise AssertionError("paired without a result")
        return self.committed

    async def _heard(self, event: pb.FollowOfferResponse) -> bool:
        """Act on an event; tells whether the code has just become known."""
        match event.WhichOneof("event"):
            case "step":
                knew = self._ceremony.code is not None
                await self._send(self._ceremony.receive(event.step.step, event.step.payload))
                return not knew and self._ceremony.code is not None
            case "contested":
                self._person.warn(errors.OfferClaimed())
            case "ended" if event.ended.reason:
                raise errors.of(event.ended.reason)
            case "ended":
                await self._ended_complete()
            case _:
                pass
        return False

    async def _ended_complete(self) -> None:
        """The service says that the pair is active. A phone that has confirmed believes the host's first session, not this."""
        if self._ceremony.state is not State.PAIRED:
            raise errors.NoNetwork("the service has the pair, but the host's last word did not arrive")

    async def _answered(self, same: bool) -> None:
        if not same:
            self._ceremony.refuse()
            raise errors.RefusedByPerson
        await self._send(self._confirm(self._sign))

    async def _send(self, steps: list[Outgoing]) -> None:
        """Commit what the machine has just given, then send. Repeats a step until the service has it."""
        result = self._ceremony.result
        if result is not None and result != self.committed:
            await to_its_end(self._keep(result))
        for step in steps:
            while True:
                try:
                    await self._client.send_step(self._offer_id, step.step, step.payload)
                    break
                except _AWAY:
                    await asyncio.sleep(_RETRY_SECONDS)
                except errors.DispatchError:
                    if self._ceremony.state is State.PAIRED:
                        break  # our side stands; the phone learns it from the first session
                    raise

    async def _keep(self, result: Paired) -> None:
        """Commit, to the end also when whoever waits has gone: a pair that is half kept would be one for the other side only."""
        await self._commit(result)
        self.committed = result

    async def _end(self, error: errors.DispatchError | None) -> bool:
        """Drop the keys and end the offer at the service, unless it ended it itself; tells whether the service has heard that."""
        self._ceremony.refuse()
        reason = errors.RefusedByPerson.reason
        if isinstance(error, errors.HandshakeFailed | errors.OfferExpired):
            reason = error.reason
        with contextlib.suppress(errors.DispatchError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._client.end_offer(self._offer_id, reason)
                return True
        return False


def _why(failure: BaseException) -> errors.DispatchError | None:
    """Give the one reason for what ended the ceremony; None for a defect or a cancellation, which are passed on."""
    if isinstance(failure, errors.DispatchError):
        return failure
    if isinstance(failure, TimeoutError):
        return errors.OfferExpired("not confirmed on both sides in time")
    if isinstance(failure, CeremonyFailed):
        if failure.why is Failure.REFUSED:
            return errors.RefusedByPerson()
        return errors.HandshakeFailed(failure.why.value)
    return None


async def _events(client: PairingClient, offer_id: OfferId) -> AsyncGenerator[pb.FollowOfferResponse, None]:
    """Give an offer's events without repeats, over as many calls as it takes."""
    seen: set[bytes] = set()
    while True:
        try:
            async for event in client.follow_offer(offer_id):
                key = b"claimed" if event.HasField("claimed") else event.SerializeToString()
                if key not in seen:
                    seen.add(key)
                    yield event
        except _AWAY:
            pass
        await asyncio.sleep(_RETRY_SECONDS)
