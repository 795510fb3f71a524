"""Pairs this phone with the host behind a link: asks the person, and keeps the pairing when both said yes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dispatch import errors
from dispatch.cli import policy_told
from dispatch.device.ceremony import phone_pair
from dispatch.pairing.ceremony import Paired
from dispatch.pairing.link import LinkError, read_link

from mobile_sim.owner import Event, Hear, Say
from mobile_sim.patience import Patience
from mobile_sim.phone import Phone, secret_name
from mobile_sim.store import Pairing, PairingState


@dataclass(frozen=True, slots=True)
class _Asked:
    """The person, at the other end of `say` and `hear`."""

    say: Say
    hear: Hear

    def show(self, link: str, seconds: float) -> None:
        raise AssertionError("a phone shows no codes")

    async def same(self, code: str, peer: str) -> bool:
        self.say({"event": "code", "code": code, "peer": peer})
        return await self.hear()

    def warn(self, error: errors.DispatchError) -> None:
        self.say(
            {"event": "warning", "reason": errors.word(error.reason), "text": error.sentence, "advice": error.advice}
        )


def not_paired(error: errors.DispatchError) -> Event:
    """Write the last line of a pairing that did not come to be."""
    detail = error.detail if error.detail != error.sentence else ""
    return {
        "event": "not_paired",
        "reason": errors.word(error.reason),
        "text": error.sentence,
        "advice": error.advice,
        **({"detail": detail} if detail else {}),
        **policy_told(error),
    }


async def meet(phone: Phone, link: str, *, say: Say, hear: Hear, patience: Patience) -> Pairing:
    """Pair. Raises why there is no pair."""
    try:
        code = read_link(link)
    except LinkError as fault:
        raise errors.NotAPairingCode(str(fault)) from None
    me = phone.signed_in()
    if code.service != me.sign_in.service_name:
        raise errors.OtherService(metadata={"service": code.service})
    kept: list[Pairing] = []

    async def commit(paired: Paired) -> None:
        """Keep the pair: provisional before the host can hear of our yes, active with the host's own."""
        pair_id = paired.keys.pair_id
        if not kept:
            pairing = Pairing(
                pair_id=pair_id,
                host_name=paired.peer_name,
                host_key=paired.peer_key,
                own_key=paired.keys.own_ed25519,
                state=PairingState.PROVISIONAL,
                made_at_ms=phone.clock.wall_ms(),
            )
            with phone.store.transaction():
                phone.store.pairings.add(pairing)
            kept.append(pairing)
            # Behind the row, which leads to them: whoever is killed in between leaves a pairing that is forgotten after a while.
            phone.secrets.put(secret_name(pair_id), paired.keys.to_bytes())
        if paired.host_signature is not None:
            with phone.store.transaction():
                phone.store.pairings.set_state(pair_id, PairingState.ACTIVE)
            phone.end_others(pair_id)

    try:
        async with me.client() as client:
            await phone_pair(
                client,
                code=code,
                name=me.sign_in.device_name,
                public_key=me.key.public,
                sign=me.key.sign,
                rng=phone.rng,
                person=_Asked(say, hear),
                commit=commit,
            )
    except errors.ProtocolViolation as clash:
        # The service holds another first step of ours: this code was scanned before, perhaps by a run that was ended.
        if kept:
            phone.forget(kept[0].pair_id)
        raise errors.OfferExpired("this code was used before") from clash
    except errors.NoNetwork:
        # The host may have completed the pair: its first session tells, now or within ten minutes.
        if not kept or not await _in_session(phone, kept[0], patience):
            raise
    except asyncio.CancelledError:
        raise  # whoever stops waiting keeps it, too: the host may just have completed it
    except BaseException:
        if kept:
            phone.forget(kept[0].pair_id)
        raise
    return kept[0]


async def _in_session(phone: Phone, pairing: Pairing, patience: Patience) -> bool:
    """Tell whether the host has the pairing, as its first session shows."""

    def active() -> bool:
        now = phone.store.pairings.get(pairing.pair_id)
        return now is not None and now.state is PairingState.ACTIVE

    line = phone.line(pairing)
    await line.bell.until(lambda: active() or line.final, patience.session_seconds)
    return active()
