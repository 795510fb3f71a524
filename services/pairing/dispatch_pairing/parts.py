"""What devices and browsers ask the service for alike, and the calls of devices and services. Wired here for `app`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatch_pairing.api.accounts import AccountApi
from dispatch_pairing.api.devices import DeviceApi
from dispatch_pairing.api.federated import FederatedApi
from dispatch_pairing.api.history import HistoryApi
from dispatch_pairing.api.method import Feed, Method
from dispatch_pairing.api.pairings import PairingApi
from dispatch_pairing.api.trust import TrustApi
from dispatch_pairing.api.welcome import Welcome
from dispatch_pairing.attempts import Attempts
from dispatch_pairing.ceremony import Ceremony
from dispatch_pairing.credentials import Credentials
from dispatch_pairing.devices import Devices
from dispatch_pairing.door import Need
from dispatch_pairing.ground import Ground
from dispatch_pairing.guesses import Guesses
from dispatch_pairing.history import History
from dispatch_pairing.logins import Logins
from dispatch_pairing.oidc.device import DeviceSignIns
from dispatch_pairing.oidc.provider import Provider
from dispatch_pairing.oidc.web import WebSignIns
from dispatch_pairing.pairings import Pairings
from dispatch_pairing.passwords import Passwords
from dispatch_pairing.policy import SignUp
from dispatch_pairing.relays import Relays
from dispatch_pairing.sign_ins import SignIns
from dispatch_pairing.streams import Streams
from dispatch_pairing.trust import Trust
from dispatch_pairing.web.openid import OpenIdProvider
from dispatch_pairing.web.provider import Provider as WebProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One of each."""

    credentials: Credentials
    sign_ins: SignIns
    history: History
    devices: Devices
    ceremony: Ceremony


def make_parts(ground: Ground, *, passwords: Passwords) -> Parts:
    """Make them."""
    store, bell, clock, rng = ground.store, ground.bell, ground.clock, ground.rng
    limits, rules, metrics = ground.limits, ground.policy, ground.metrics
    return Parts(
        credentials=Credentials(
            store=store,
            passwords=passwords,
            attempts=Attempts(clock=clock, limits=limits),
            clock=clock,
            rng=rng,
            rules=rules,
        ),
        sign_ins=SignIns(store=store, clock=clock, rng=rng, limits=limits, rules=rules),
        history=History(store=store, clock=clock, limits=limits, metrics=metrics),
        devices=Devices(store=store, bell=bell, clock=clock, metrics=metrics),
        ceremony=Ceremony(store=store, bell=bell, clock=clock, limits=limits, rules=rules, metrics=metrics),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn:
    """How people come in who sign in at a provider; None where there is none."""

    web: WebProvider | None = None
    """By the account page."""
    devices: DeviceSignIns | None = None


def ways_in(provider: Provider | None, ground: Ground, parts: Parts, *, web: WebProvider | None) -> WaysIn:
    """Let people sign in at a provider. `web` takes the place of what the account page would show."""
    if provider is None:
        return WaysIn(web=web)
    clock, rng = ground.clock, ground.rng
    newcomers = provider.settings.newcomers or ground.policy.sign_up is SignUp.OPEN
    logins = Logins(store=ground.store, clock=clock, rng=rng, newcomers=newcomers)
    web_sign_ins = WebSignIns(provider=provider, clock=clock, rng=rng, stamp=ground.keys.stamp("web sign-in"))
    return WaysIn(
        web=web or OpenIdProvider(issuer=provider.settings.issuer, sign_ins=web_sign_ins, logins=logins),
        devices=DeviceSignIns(
            provider=provider, logins=logins, sign_ins=parts.sign_ins, clock=clock, rng=rng, limits=ground.limits
        ),
    )


def methods(
    ground: Ground, parts: Parts, *, relays: Relays, ways: WaysIn
) -> tuple[Sequence[Method | Feed], Sequence[Method | Feed]]:
    """Give all that devices may call, and all that other services may."""
    store, bell, keys, clock = ground.store, ground.bell, ground.keys, ground.clock
    limits, metrics, name = ground.limits, ground.metrics, ground.service_name
    streams = Streams(limit=limits.follows)
    welcome = Welcome(keys=keys, service_name=name, clock=clock)
    pairings = Pairings(
        store=store,
        bell=bell,
        clock=clock,
        limits=limits,
        rules=ground.policy,
        keys=keys,
        relays=relays,
        service_name=name,
        metrics=metrics,
    )
    trust = Trust(store=store, bell=bell, clock=clock, limits=limits, relays=relays, metrics=metrics)
    apis = (
        AccountApi(credentials=parts.credentials, sign_ins=parts.sign_ins, welcome=welcome, metrics=metrics),
        FederatedApi(sign_ins=ways.devices, welcome=welcome, metrics=metrics),
        PairingApi(
            ceremony=parts.ceremony,
            guesses=Guesses(clock=clock, limits=limits),
            pairings=pairings,
            sign_ins=parts.sign_ins,
            streams=streams,
            keys=keys,
            clock=clock,
            metrics=metrics,
        ),
        DeviceApi(devices=parts.devices, history=parts.history),
        HistoryApi(history=parts.history),
        TrustApi(trust=trust, streams=streams, keys=keys),
    )
    called = [method for api in apis for method in api.methods()]
    return (
        [one for one in called if one.need is not Need.SERVICE],
        [one for one in called if one.need is Need.SERVICE],
    )
