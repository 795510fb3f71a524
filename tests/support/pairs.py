"""Two devices that are a pair, made of counted bytes instead of random ones, so that a failing test fails again.

Used by the tests of the ceremony, the session and the thread. Holds no assertion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch.ids import PairId, Rng
from dispatch.pairing.ceremony import Ceremony, Outgoing
from dispatch.pairing.host import HostCeremony
from dispatch.pairing.link import Offer
from dispatch.pairing.phone import PhoneCeremony
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys, Role
from dispatch.sealed.session import Begun, Confirmed, HostSession, Opened, PhoneSession

GRANT = b"a grant, which nobody here reads"


def counted(seed: str) -> Rng:
    """Make bytes that look random and are the same in every run."""
    numbers = count()

    def draw(length: int) -> bytes:
        blocks = b""
        while len(blocks) < length:
            blocks += sha256(f"{seed} {next(numbers)}".encode()).digest()
        return blocks[:length]

    return draw


def signing_key(seed: str) -> Ed25519PrivateKey:
    """Make a device's Ed25519 key."""
    return Ed25519PrivateKey.from_private_bytes(counted(f"{seed} ed25519")(32))


def public(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    """Give the raw public half."""
    return key.public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class Pair:
    """What a ceremony leaves on the two devices."""

    phone: PairKeys
    host: PairKeys
    phone_signing: Ed25519PrivateKey
    host_signing: Ed25519PrivateKey


def make_pair(seed: str = "pair") -> Pair:
    """Make the keys of a pair without a ceremony."""
    rng = counted(seed)
    pair_id, psk = PairId(rng(16)), rng(32)
    phone_x, host_x = (X25519PrivateKey.from_private_bytes(rng(32)) for _ in range(2))
    phone_ed, host_ed = signing_key(f"{seed} phone"), signing_key(f"{seed} host")

    def keys(role: Role) -> PairKeys:
        (own_x, peer_x), (own_ed, peer_ed) = (phone_x, host_x), (phone_ed, host_ed)
        if role is Role.HOST:
            own_x, peer_x, own_ed, peer_ed = peer_x, own_x, peer_ed, own_ed
        return PairKeys(
            pair_id=pair_id,
            role=role,
            own_x25519=own_x.private_bytes_raw(),
            peer_x25519=public(peer_x),
            own_ed25519=public(own_ed),
            peer_ed25519=public(peer_ed),
            pair_psk=psk,
        )

    return Pair(keys(Role.PHONE), keys(Role.HOST), phone_ed, host_ed)


@dataclass(slots=True)
class Ends:
    """Both ends of a pairing, and the way from nothing to a session."""

    phone: PhoneSession
    host: HostSession

    def shake(self, now_ms: int = 0, head: Head | None = None) -> Begun:
        """Go up to message 2; the host does not know yet whether the phone is real."""
        message1 = self.phone.start(grant=GRANT, head=head or Head(), now_ms=now_ms)
        message2 = self.host.answer(message1, now_ms=now_ms)
        assert isinstance(message2, bytes)
        begun = self.phone.finish(message2, now_ms=now_ms)
        assert begun is not None
        return begun

    def confirm(self, now_ms: int = 0) -> Confirmed:
        """Send Confirm and switch."""
        opened = self.host.open_live(self.phone.seal_live(b""), now_ms=now_ms)
        assert isinstance(opened, Opened)
        assert opened.confirmed is not None
        self.host.switch()
        return opened.confirmed

    def begin(self, now_ms: int = 0) -> tuple[Begun, Confirmed]:
        """Go all the way into a session."""
        return self.shake(now_ms), self.confirm(now_ms)


def make_ends(seed: str = "ends", *, keep_epoch: bytes | None = None) -> Ends:
    """Make both ends, not yet in a session."""
    pair = make_pair(seed)
    return Ends(
        PhoneSession(pair.phone, rng=counted(f"{seed} phone")),
        HostSession(pair.host, keep_epoch=keep_epoch, rng=counted(f"{seed} host")),
    )


@dataclass(slots=True)
class Ceremonies:
    """Both sides of a ceremony, and the table between them."""

    phone: PhoneCeremony
    host: HostCeremony
    phone_key: Ed25519PrivateKey
    host_key: Ed25519PrivateKey
    offer: Offer

    def to(self, step: int) -> Ceremony:
        """Give the side for which a step is: the phone sends the odd ones."""
        return self.host if step % 2 else self.phone

    def deliver(self, outgoing: list[Outgoing]) -> Iterator[Outgoing]:
        """Carry steps to and fro until nobody has more to say, and tell each that was carried."""
        rest = list(outgoing)
        while rest:
            step = rest.pop(0)
            yield step
            rest += self.to(step.step).receive(*step)

    def compare(self) -> None:
        """Go as far as both showing a code."""
        for _ in self.deliver(self.phone.begin()):
            pass

    def finish(self) -> None:
        """Let both people say yes."""
        self.compare()
        assert self.host.confirm(self.host_key.sign) == []
        for _ in self.deliver(self.phone.confirm(self.phone_key.sign)):
            pass


def make_ceremonies(
    seed: str = "ceremony", *, phone_name: str = "Phone", host_name: str = "Computer", service: str = "dispatch.test"
) -> Ceremonies:
    """Make both sides, the code scanned."""
    phone_key, host_key = signing_key(f"{seed} phone"), signing_key(f"{seed} host")
    offer = Offer.make(service=service, rng=counted(f"{seed} offer"))
    phone = PhoneCeremony(
        offer.code, own_ed25519=public(phone_key), own_name=phone_name, rng=counted(f"{seed} phone rng")
    )
    host = HostCeremony(offer, own_ed25519=public(host_key), own_name=host_name, rng=counted(f"{seed} host rng"))
    return Ceremonies(phone, host, phone_key, host_key, offer)
