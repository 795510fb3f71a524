"""What a person does with the account on this phone: sign in and out, make one, change its password, look after its devices.

Called by `desk`.
"""

from __future__ import annotations

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Exit
from dispatch.device import account, owner
from dispatch.device.federated import Code, sign_in_at_provider
from dispatch.device.fresh_start import signed_in_afresh
from dispatch.device.sign_in import SignIn, sign_in
from dispatch.tls import Dialler

from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.phone import Phone

_KIND = DeviceKind.DEVICE_KIND_PHONE


class Account:
    """The account, as this phone is in it."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def log_in(self, request: Request, say: Say, _: Hear) -> int:
        """Sign this phone in; one that was revoked, as a new device."""
        phone = self._phone

        async def enter() -> SignIn:
            return await sign_in(
                phone.home,
                phone.secrets,
                server=request["server"],
                account=request["account"],
                password=request["password"],
                device_name=request["name"],
                kind=_KIND,
                rng=phone.rng,
                dialler=self._dialler(request),
            )

        signed_in = await signed_in_afresh(enter, store=phone.secrets, drop_pairings=phone.end_all)
        say(_signed_in(signed_in))
        return Exit.DONE

    async def log_in_at_provider(self, request: Request, say: Say, _: Hear) -> int:
        """Sign this phone in at the service's provider; says first what the person has to do there."""
        phone = self._phone

        async def enter() -> SignIn:
            return await sign_in_at_provider(
                phone.home,
                phone.secrets,
                server=request["server"],
                device_name=request["name"],
                kind=_KIND,
                clock=phone.clock,
                rng=phone.rng,
                person=_Told(say),
                dialler=self._dialler(request),
            )

        signed_in = await signed_in_afresh(enter, store=phone.secrets, drop_pairings=phone.end_all)
        say(_signed_in(signed_in))
        return Exit.DONE

    async def sign_up(self, request: Request, say: Say, hear: Hear) -> int:
        """Make an account, then sign this phone in to it."""
        phone = self._phone
        await account.sign_up(
            phone.home,
            phone.secrets,
            server=request["server"],
            account=request["account"],
            password=request["password"],
            invitation=request["invitation"],
            kind=_KIND,
            rng=phone.rng,
            dialler=self._dialler(request),
        )
        say({"event": "signed_up", "account": request["account"], "server": request["server"]})
        return await self.log_in(request, say, hear)

    async def log_out(self, request: Request, say: Say, _: Hear) -> int:
        """Sign this phone out, or every device of the account. Nothing of ours stays at a relay."""
        phone, everywhere = self._phone, bool(request["everywhere"])
        signed_in = SignIn.required(phone.home)
        told = await account.sign_out(
            phone.home,
            phone.secrets,
            session=phone.session,
            kind=_KIND,
            everywhere=everywhere,
            plaintext=phone.plaintext,
        )
        await phone.leave()
        with phone.store.transaction():
            phone.store.pairings.forget_rights()
        say({"event": "signed_out", "account": signed_in.account, "everywhere": everywhere, "service_told": told})
        return Exit.DONE

    async def change_password(self, request: Request, say: Say, _: Hear) -> int:
        """Change the account's password."""
        phone = self._phone
        await account.change_password(
            phone.home,
            phone.secrets,
            session=phone.session,
            kind=_KIND,
            old=request["old"],
            new=request["new"],
            plaintext=phone.plaintext,
        )
        say({"event": "password_changed", "account": SignIn.required(phone.home).account})
        return Exit.DONE

    async def as_owner(self, request: Request, say: Say, hear: Hear) -> int:
        """List, rename and revoke the account's devices, or read its history."""
        async with self._phone.signed_in().client() as client:
            return await owner.do(client, request, say=say, hear=hear)

    def _dialler(self, request: Request) -> Dialler:
        return Dialler(ca=request["ca"], plaintext=self._phone.plaintext)


def _signed_in(signed_in: SignIn) -> Event:
    return {
        "event": "signed_in",
        "account": signed_in.account,
        "server": signed_in.server,
        "service": signed_in.service_name,
        "device": signed_in.device_name,
    }


class _Told:
    """The person, told through events."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def enter(self, code: Code) -> None:
        self._say(
            {
                "event": "enter_code",
                "code": code.code,
                "url": code.url,
                "url_complete": code.url_complete,
                "expires_at": code.expires_at_ms,
            }
        )

    def warn(self, error: errors.DispatchError) -> None:
        word = errors.word(error.reason)
        self._say({"event": "warning", "reason": word, "text": error.sentence, "advice": error.advice})
