"""What the service counts. Every label that can occur stands at zero from the start; no label names anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from dispatch import errors
from prometheus_client import CollectorRegistry, Counter, Gauge

from dispatch_pairing.offers import Offer

PROVIDER_ANSWERS = ("approved", "pending", "slow_down", "denied", "expired", "unreachable", "failed")
ATTEMPTS = ("ok", "failed", "rate_limited", "refused")
"""How a sign-in, a sign-up or a change of a password may go."""


class Ending(StrEnum):
    """Why sign-ins end before their time."""

    SIGNED_OUT = "signed_out"
    EVERYWHERE = "signed_out_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- no password
    COPIED = "copied"


OFFERS = (
    "open",
    "claimed",
    "complete",
    "contested",
    "missed",
    "OFFER_EXPIRED",
    "OFFER_REPLACED",
    "PAIRING_REFUSED",
    "HANDSHAKE_FAILED",
)
WEB_TURNED_AWAY = ("host", "cross_site", "form_token", "too_large", "too_slow", "media_type")
REPORTS = ("kept", "unknown_pairing", "too_old", "unsound")
REFUSALS: tuple[type[errors.DispatchError], ...] = (
    errors.AccountExists,
    errors.AppTooOld,
    errors.AttestationMismatch,
    errors.BadRequest,
    errors.DeviceRevoked,
    errors.DeviceUnknown,
    errors.Draining,
    errors.HandshakeFailed,
    errors.HostRevoked,
    errors.Internal,
    errors.NoProvider,
    errors.NoRelay,
    errors.NonceExpired,
    errors.NotPaired,
    errors.OfferClaimed,
    errors.OfferExpired,
    errors.OfferReplaced,
    errors.OfferUnknown,
    errors.OtherAccount,
    errors.PlanNotAllowed,
    errors.ProofInvalid,
    errors.ProtocolViolation,
    errors.ProviderFailed,
    errors.ProviderUnreachable,
    errors.RateLimited,
    errors.RefusedByPerson,
    errors.SignInDenied,
    errors.SignInExpired,
    errors.SignInFailed,
    errors.SignInPending,
    errors.SignInRequired,
    errors.SignUpClosed,
    errors.StoreFailed,
    errors.TooLarge,
    errors.TooManyDevices,
)


class Metrics:
    """The service's own numbers, in a registry of its own process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "dispatch_pairing"
        self.sign_ins = Counter(f"{prefix}_sign_ins", "Sign-ins by result.", ["result"], registry=registry)
        self.sign_ups = Counter(f"{prefix}_sign_ups", "Sign-ups by result.", ["result"], registry=registry)
        self.password_changes = Counter(
            f"{prefix}_password_changes", "Changes of a password by result.", ["result"], registry=registry
        )
        self.sign_ins_ended = Counter(
            f"{prefix}_sign_ins_ended", "Times that sign-ins were ended, by cause.", ["cause"], registry=registry
        )
        self.provider_answers = Counter(
            f"{prefix}_provider_answers", "What the provider of sign-ins answered.", ["answer"], registry=registry
        )
        self.offers = Counter(f"{prefix}_offers", "What became of offers.", ["result"], registry=registry)
        self.refusals = Counter(f"{prefix}_refusals", "Refused calls by reason.", ["reason"], registry=registry)
        self.pairings_active = Gauge(f"{prefix}_pairings_active", "Pairings that may be used.", registry=registry)
        self.pairings_ended = Counter(f"{prefix}_pairings_ended", "Pairings ended.", registry=registry)
        self.grants = Counter(f"{prefix}_grants", "Grants issued.", registry=registry)
        self.devices_revoked = Counter(f"{prefix}_devices_revoked", "Devices revoked.", registry=registry)
        self.reports = Counter(
            f"{prefix}_reports", "Reports of tasks by relays, by what became of them.", ["result"], registry=registry
        )
        self.relays_live = Gauge(f"{prefix}_relays_live", "Relays that follow the trust feed.", registry=registry)
        self.database_away = Gauge(
            f"{prefix}_database_away", "Whether the shared database did not answer the last look.", registry=registry
        )
        self.bus_away = Gauge(
            f"{prefix}_bus_away", "Whether the bus between several services is not reached.", registry=registry
        )
        self.web_turned_away = Counter(
            f"{prefix}_web_turned_away",
            "Requests for the account page that no page saw.",
            ["reason"],
            registry=registry,
        )
        for reason in WEB_TURNED_AWAY:
            self.web_turned_away.labels(reason)
        for counter in (self.sign_ins, self.sign_ups, self.password_changes):
            for result in ATTEMPTS:
                counter.labels(result)
        for cause in Ending:
            self.sign_ins_ended.labels(cause)
        for answer in PROVIDER_ANSWERS:
            self.provider_answers.labels(answer)
        for result in OFFERS:
            self.offers.labels(result)
        for result in REPORTS:
            self.reports.labels(result)
        for kind in REFUSALS:
            self.refusals.labels(errors.word(kind.reason))

    def offer_changed(self, before: Offer, after: Offer) -> None:
        """Count what became of an offer, if something did."""
        if after.state is not before.state:
            self.offers.labels(after.state.value if after.reason is None else errors.word(after.reason)).inc()
        if after.contested and not before.contested:
            self.offers.labels("contested").inc()
        if after.misses > before.misses:
            self.offers.labels("missed").inc()

    @contextmanager
    def attempt(self, counter: Counter) -> Iterator[None]:
        """Count one of ATTEMPTS by how the block ends."""
        try:
            yield
        except errors.SignInPending:
            raise  # it goes on
        except errors.DispatchError as refusal:
            results = {errors.SignInFailed: "failed", errors.RateLimited: "rate_limited"}
            counter.labels(results.get(type(refusal), "refused")).inc()
            raise
        counter.labels("ok").inc()

    def completed(self, *, replaced: bool) -> None:
        """Count a pairing that became active, perhaps in place of an older one."""
        if replaced:
            self.pairings_ended.inc()
        else:
            self.pairings_active.inc()

    def ended(self) -> None:
        """Count a pairing that was ended."""
        self.pairings_ended.inc()
        self.pairings_active.dec()

    def revoked(self, *, pairings: int) -> None:
        """Count a device that was revoked, and the pairings that ended with it."""
        self.devices_revoked.inc()
        self.pairings_ended.inc(pairings)
        self.pairings_active.dec(pairings)
