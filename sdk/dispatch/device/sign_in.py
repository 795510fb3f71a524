"""A device's sign-in: which service, which account, under what name. The token itself is among the secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.home import Home, write_private
from dispatch.device.keys import DeviceKey, KeyStore
from dispatch.device.pairing_client import PairingClient
from dispatch.device.session import Session
from dispatch.device.trust import Trust
from dispatch.ids import Rng
from dispatch.names import NameInvalid
from dispatch.names import device_name as tidy
from dispatch.storing import storing
from dispatch.tls import BY_THE_RULE, Dialler
from dispatch.version import APP_VERSION

_FILE = "sign-in.json"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the device knows of its sign-in, without secrets."""

    server: str
    service_name: str
    account: str
    account_id: str
    device_name: str
    ca: str = ""
    """Whom to believe, as `Dialler.ca`: for the pairing service and for every relay that it names."""

    def dialler(self, *, plaintext: bool) -> Dialler:
        """Give how this device dials. `plaintext` is DISPATCH_PLAINTEXT=1."""
        return Dialler(ca=self.ca, plaintext=plaintext)

    @classmethod
    def load(cls, home: Home) -> SignIn | None:
        """Read it; None before the first sign-in. Raises StoreFailed when it is damaged."""
        path = home / _FILE
        with storing(path):
            try:
                content = path.read_text("utf-8")
            except FileNotFoundError:
                return None
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError) as failure:
            raise errors.StoreFailed(f"{path} is damaged; sign in again") from failure

    @classmethod
    def required(cls, home: Home) -> SignIn:
        """Read it. Raises SignInRequired when there is none."""
        found = cls.load(home)
        if found is None:
            raise errors.SignInRequired
        return found


def start_over(store: KeyStore) -> None:
    """Forget who this device was, so that the next sign-in makes it a new one: its key was revoked."""
    Session(store).forget()
    DeviceKey.forget(store)


def session_of(store: KeyStore) -> bytes:
    """Give the sign-in token; empty for none."""
    return Session(store).token


async def sign_in(
    home: Home,
    store: KeyStore,
    *,
    server: str,
    account: str,
    password: str,
    device_name: str,
    kind: DeviceKind.ValueType,
    rng: Rng,
    dialler: Dialler = BY_THE_RULE,
) -> SignIn:
    """Sign this device in and keep what came back, and whom it believed.

    Raises SignInFailed, NoNetwork, TlsFailed, BadRequest and what the service says.
    """
    name = tidy_name(device_name)
    home.create()
    key = DeviceKey.load_or_make(store, rng)
    async with PairingClient(server=server, identity=key.identity(kind), dialler=dialler) as client:
        answer = await client.sign_in(
            pb.SignInRequest(
                account=account,
                password=password,
                device_key=key.public,
                device_name=name,
                device_kind=kind,
                app_version=APP_VERSION,
            )
        )
    return keep(home, store, answer, server=server, device_name=name, dialler=dialler)


def tidy_name(device_name: str) -> str:
    """Tidy what the person calls this device. Raises BadRequest."""
    try:
        return tidy(device_name)
    except NameInvalid as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "device_name"}) from problem


def keep(
    home: Home, store: KeyStore, answer: pb.SignInResponse, *, server: str, device_name: str, dialler: Dialler
) -> SignIn:
    """Keep what a sign-in gave, in whatever way it was made."""
    signed_in = SignIn(
        server=server,
        service_name=answer.service_name,
        account=answer.account,
        account_id=answer.account_id.hex(),
        device_name=device_name,
        ca=dialler.ca,
    )
    Trust(home).start(answer.keys)
    Session(store).keep(answer.session)
    write_private(home / _FILE, json.dumps(asdict(signed_in), indent=1).encode())
    return signed_in
