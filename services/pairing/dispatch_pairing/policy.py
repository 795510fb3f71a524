"""What the operator allows: who may make accounts, which plans may pair, how old an app may be, how many devices there may be.

Pure: each question gives None for yes, or the refusal, which names the policy, what is and what would have to be. The values are
the operator's, read once by settings.py. docs/operations.md lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from dispatch.errors import AppTooOld, OtherAccount, PlanNotAllowed, SignUpClosed, TooManyDevices

from dispatch_pairing.model import Plan, Role

_VERSION = re.compile(r"\A(\d{1,9}(?:\.\d{1,9}){0,3})(?:[-+][0-9A-Za-z.+-]{1,32})?\Z", re.ASCII)


class SignUp(StrEnum):
    """Who may make an account without the operator's hand."""

    CLOSED = "closed"
    """Nobody."""
    INVITATION = "invitation"
    """Whoever was given an invitation."""
    OPEN = "open"
    """Everybody."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's word."""

    sign_up: SignUp = SignUp.CLOSED
    plans: frozenset[Plan] = frozenset({Plan.PRO, Plan.MAX})
    """The plans that may pair."""
    min_phone_version: str = ""
    """The oldest app that is let in; empty for any."""
    min_host_version: str = ""
    devices: int = 100
    """Devices of one account that are signed in or paired."""


def numbers(version: str) -> tuple[int, ...] | None:
    """Read a version, "1.4.0" or "1.4.0-beta.2": its numbers, by which it is compared; None for what is none."""
    found = _VERSION.match(version)
    if found is None:
        return None
    parts = [int(part) for part in found[1].split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()  # 1.4 and 1.4.0 are one version
    return tuple(parts)


def known_version(said: str) -> str:
    """Give what an app says of its version, if it is a version; empty otherwise. Safe to keep and to show."""
    return "" if numbers(said) is None else said


def may_sign_up(policy: Policy, *, invited: bool) -> SignUpClosed | None:
    """Decide whether an account may be made. `invited`: an invitation was shown that is good, or may be."""
    if policy.sign_up is SignUp.OPEN or (policy.sign_up is SignUp.INVITATION and invited):
        return None
    if policy.sign_up is SignUp.INVITATION:
        return SignUpClosed(metadata=_told("sign_up", "no invitation that is good", "an invitation"))
    return SignUpClosed(metadata=_told("sign_up", SignUp.CLOSED, f"{SignUp.INVITATION} or {SignUp.OPEN}"))


def may_pair(policy: Policy, plan: Plan) -> PlanNotAllowed | None:
    """Decide whether the devices of an account with this plan may pair and attach."""
    if plan in policy.plans:
        return None
    allowed = [one for one in Plan if one in policy.plans]
    return PlanNotAllowed(metadata=_told("plans", plan, " or ".join(allowed)))


def new_enough(policy: Policy, role: Role, said: str) -> AppTooOld | None:
    """Decide whether an app may come in that says this of its version. Where there is a minimum it has to say something."""
    name, least = {
        Role.PHONE: ("min_phone_version", policy.min_phone_version),
        Role.HOST: ("min_host_version", policy.min_host_version),
    }[role]
    has = numbers(said)
    if not least or (has is not None and has >= (numbers(least) or ())):
        return None
    return AppTooOld(metadata=_told(name, said if has is not None else "none", least))


def has_room(policy: Policy, *, in_use: int) -> TooManyDevices | None:
    """Decide whether an account may have one device more."""
    if in_use < policy.devices:
        return None
    return TooManyDevices(metadata=_told("devices", str(in_use), f"fewer than {policy.devices}"))


def one_owner(role: Role) -> OtherAccount:
    """Refuse a device that is paired in another account. Whose it is stays unsaid."""
    kind = role.name.lower()
    return OtherAccount(
        f"this {kind} is paired in another account, and a {kind} belongs to one: unpair it first",
        metadata=_told("owners", "another account", f"one account for each {kind}"),
    )


def _told(policy: str, current: str, required: str) -> dict[str, str]:
    return {"policy": policy, "current": str(current), "required": required}
