"""What a device does with the account itself: make one, leave it, change its password. Signing in has its own module."""

from __future__ import annotations

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey, KeyStore
from dispatch.device.pairing_client import PairingClient
from dispatch.device.session import Session
from dispatch.device.sign_in import SignIn
from dispatch.ids import Rng
from dispatch.tls import BY_THE_RULE, Dialler


async def sign_up(
    home: Home,
    store: KeyStore,
    *,
    server: str,
    account: str,
    password: str,
    invitation: str,
    kind: DeviceKind.ValueType,
    rng: Rng,
    dialler: Dialler = BY_THE_RULE,
) -> None:
    """Make an account. Raises SignUpClosed, AccountExists, NoNetwork, TlsFailed, BadRequest and what the service says."""
    home.create()
    key = DeviceKey.load_or_make(store, rng)
    async with PairingClient(server=server, identity=key.identity(kind), dialler=dialler) as client:
        await client.sign_up(
            pb.SignUpRequest(account=account, password=password, invitation=invitation, device_key=key.public)
        )


async def sign_out(
    home: Home, store: KeyStore, *, session: Session, kind: DeviceKind.ValueType, everywhere: bool, plaintext: bool
) -> bool:
    """Sign this device out, or all of the account's; gives whether the service knows.

    The token is deleted here in any case, and nobody else has it. Everywhere takes the service: raises NoNetwork, and
    SignInRequired without a live sign-in; nothing has changed then.
    """
    try:
        async with _client(home, store, session=session, kind=kind, plaintext=plaintext) as client:
            await client.sign_out(everywhere=everywhere)
    except (errors.NoNetwork, errors.SignInRequired, errors.DeviceRevoked):
        if everywhere or not session.token:
            raise
        told = False
    else:
        told = True
    session.forget()
    return told


async def change_password(
    home: Home, store: KeyStore, *, session: Session, kind: DeviceKind.ValueType, old: str, new: str, plaintext: bool
) -> None:
    """Change the account's password; every other device is signed out. Raises SignInFailed for a wrong old one."""
    async with _client(home, store, session=session, kind=kind, plaintext=plaintext) as client:
        await client.change_password(old, new)


def _client(
    home: Home, store: KeyStore, *, session: Session, kind: DeviceKind.ValueType, plaintext: bool
) -> PairingClient:
    """Open a line as this device. Raises SignInRequired."""
    signed_in, key = SignIn.required(home), DeviceKey.load(store)
    if key is None or not session.token:
        raise errors.SignInRequired
    return PairingClient(
        server=signed_in.server,
        identity=key.identity(kind),
        session=session,
        dialler=signed_in.dialler(plaintext=plaintext),
    )
