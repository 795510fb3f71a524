"""The ceremony: both sides as a pair, every step tampered with, a middle man, and steps out of their order."""

from __future__ import annotations

from hashlib import sha256
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch.attestation import verify_attestation
from dispatch.encoding import enc
from dispatch.names import NameInvalid
from dispatch.noise import Handshake
from dispatch.pairing.ceremony import LONGEST_STEP, Ceremony, CeremonyFailed, Failure, Outgoing, State
from dispatch.pairing.host import HostCeremony
from dispatch.pairing.link import Code, LinkError, Offer, read_link
from dispatch.pairing.phone import PhoneCeremony
from dispatch.sealed import kem
from dispatch.sealed.box import open_box, seal_box
from dispatch.sealed.kdf import agree, derive
from dispatch.sealed.keys import Role
from dispatch.sealed.session import HostSession, PhoneSession

from tests.support.pairs import Ceremonies, Ends, counted, make_ceremonies, public, signing_key


def failure(table: Ceremonies, step: Outgoing) -> Failure:
    """Hand over what must not be taken."""
    with pytest.raises(CeremonyFailed) as caught:
        table.to(step.step).receive(*step)
    return caught.value.why


def phone_with(code: Code, key: Ed25519PrivateKey) -> PhoneCeremony:
    """Make a phone that scanned this code."""
    return PhoneCeremony(code, own_ed25519=public(key), own_name="Phone", rng=counted("scanned"))


def has_result(side: Ceremony) -> bool:
    """Tell whether there is something to commit."""
    return side.result is not None


def up_to(step: int, seed: str = "ceremony") -> tuple[Ceremonies, Outgoing]:
    """Go as far as this step being on its way, both people having said yes where it takes that."""
    table = make_ceremonies(seed)
    for coming in table.deliver(table.phone.begin()):
        if coming.step == step:
            return table, coming
    table.host.confirm(table.host_key.sign)
    for coming in table.deliver(table.phone.confirm(table.phone_key.sign)):
        if coming.step == step:
            return table, coming
    raise AssertionError(step)


# ---- When all is well ----


def test_both_show_the_same_code_and_the_others_name() -> None:
    table = make_ceremonies(phone_name="Ann's phone", host_name="Büro")

    table.compare()

    assert table.phone.code == table.host.code
    assert table.phone.code is not None
    assert len(table.phone.code) == 7
    assert table.phone.code[3] == " "
    assert table.phone.code.replace(" ", "").isdecimal()
    assert (table.phone.peer_name, table.host.peer_name) == ("Büro", "Ann's phone")


def test_each_ceremony_has_another_code() -> None:
    codes = set()
    for number in range(20):
        table = make_ceremonies(f"ceremony {number}")
        table.compare()
        codes.add(table.host.code)
    assert len(codes) >= 19


def test_both_end_with_the_same_pair() -> None:
    table = make_ceremonies()

    table.finish()

    phone, host = table.phone.result, table.host.result
    assert phone is not None
    assert host is not None
    assert table.phone.state is table.host.state is State.PAIRED
    assert phone.keys.pair_id == host.keys.pair_id
    assert phone.keys.pair_psk == host.keys.pair_psk
    assert (phone.keys.role, host.keys.role) == (Role.PHONE, Role.HOST)
    for own, peer in ((phone.keys, host.keys), (host.keys, phone.keys)):
        assert public(X25519PrivateKey.from_private_bytes(own.own_x25519)) == peer.peer_x25519
        assert own.own_ed25519 == peer.peer_ed25519
    assert (phone.peer_key, host.peer_key) == (public(table.host_key), public(table.phone_key))
    assert (phone.attestation, phone.phone_signature, phone.host_signature) == (
        host.attestation,
        host.phone_signature,
        host.host_signature,
    )


def test_the_service_can_check_what_both_signed() -> None:
    table = make_ceremonies(service="pairing.test")
    table.finish()
    result = table.host.result
    assert result is not None
    assert result.host_signature is not None

    read = verify_attestation(
        result.attestation, phone_signature=result.phone_signature, host_signature=result.host_signature
    )

    assert (read.service, read.pair_id) == ("pairing.test", result.keys.pair_id)
    assert (read.phone_key, read.host_key) == (public(table.phone_key), public(table.host_key))


def test_the_keys_that_a_ceremony_gives_make_a_session() -> None:
    table = make_ceremonies()
    table.finish()
    assert table.phone.result is not None
    assert table.host.result is not None
    ends = Ends(
        PhoneSession(table.phone.result.keys, rng=counted("phone")),
        HostSession(table.host.result.keys, keep_epoch=None, rng=counted("host")),
    )
    ends.begin()


def test_the_host_may_say_yes_before_or_after_the_phone() -> None:
    table = make_ceremonies()
    table.compare()
    (step_7,) = table.phone.confirm(table.phone_key.sign)

    assert table.host.receive(*step_7) == []
    assert not has_result(table.host)
    (step_8,) = table.host.confirm(table.host_key.sign)

    assert has_result(table.host)
    assert table.phone.receive(*step_8) == []
    assert table.phone.state is State.PAIRED


def test_the_phones_result_is_there_with_step_7_and_provisional_until_step_8() -> None:
    table = make_ceremonies()
    table.compare()
    assert not has_result(table.phone)

    (step_7,) = table.phone.confirm(table.phone_key.sign)

    assert step_7.step == 7
    provisional = table.phone.result
    assert provisional is not None
    assert provisional.host_signature is None
    assert table.host.result is None


def test_the_host_has_no_result_before_its_own_person_said_yes() -> None:
    table = make_ceremonies()
    table.compare()
    for step in table.phone.confirm(table.phone_key.sign):
        assert table.host.receive(*step) == []
    assert table.host.result is None
    assert table.host.state is State.PERSON


def test_the_x25519_keys_are_made_for_this_pairing() -> None:
    keys = []
    for seed in ("one", "two"):
        table = make_ceremonies(seed)
        table.finish()
        assert table.phone.result is not None
        keys += [table.phone.result.keys.own_x25519, table.phone.result.keys.peer_x25519]
    assert len(set(keys)) == 4


def test_no_step_shows_a_name_or_a_signing_key() -> None:
    table = make_ceremonies(phone_name="Ann's phone", host_name="Office computer")
    carried = list(table.deliver(table.phone.begin()))
    for step in carried:
        for secret in (b"Ann", b"Office", public(table.phone_key), public(table.host_key)):
            assert secret not in step.payload
    assert all(len(step.payload) <= LONGEST_STEP for step in carried)


# ---- Tampering ----


@pytest.mark.parametrize("step", range(1, 9))
def test_a_step_with_any_byte_changed_ends_the_ceremony(step: int) -> None:
    """Each place in turn, on a fresh ceremony: none is taken, by luck or by not being looked at."""
    _, coming = up_to(step)
    for place in range(len(coming.payload)):
        table, coming = up_to(step)
        data = bytearray(coming.payload)
        data[place] ^= 1
        assert failure(table, Outgoing(step, bytes(data))) in {Failure.HANDSHAKE, Failure.MALFORMED}
        assert table.to(step).state is State.FAILED


@pytest.mark.parametrize("step", range(1, 9))
def test_a_step_that_is_cut_or_longer_ends_the_ceremony(step: int) -> None:
    _, coming = up_to(step)
    for payload in (b"", coming.payload[:10], coming.payload[:-1], coming.payload + b"\0", bytes(LONGEST_STEP + 1)):
        table, _ = up_to(step)
        assert failure(table, Outgoing(step, payload)) in {Failure.HANDSHAKE, Failure.MALFORMED}


@pytest.mark.parametrize("step", range(1, 9))
def test_a_step_of_another_ceremony_ends_this_one(step: int) -> None:
    """Replayed from an earlier offer of the same two devices."""
    _, old = up_to(step, "an earlier offer")
    table, _ = up_to(step)
    assert failure(table, old) in {Failure.HANDSHAKE, Failure.MALFORMED}


def test_a_changed_code_ends_in_a_refusal() -> None:
    link = make_ceremonies().offer.code.link
    tried = 0
    for place in range(len("dispatch:pair#"), len(link)):
        changed = link[:place] + ("A" if link[place] != "A" else "B") + link[place + 1 :]
        try:
            code = read_link(changed)
        except LinkError:
            continue
        table = make_ceremonies()
        table.phone = phone_with(code, table.phone_key)
        with pytest.raises(CeremonyFailed) as caught:
            table.compare()
        assert caught.value.why is Failure.HANDSHAKE
        tried += 1
    assert tried > 100


# ---- Order ----


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("step", [0, *range(1, 10), 255])
def test_every_step_out_of_its_order_ends_the_ceremony(at: int, step: int) -> None:
    """Every state of both sides against every number."""
    table, coming = up_to(at)
    side = table.to(at)
    host_takes_7_while_comparing = side is table.host and step == 7 and side.state in {State.COMPARE, State.STEP_7}
    if step == at or host_takes_7_while_comparing:
        return
    with pytest.raises(CeremonyFailed) as caught:
        side.receive(step, coming.payload)
    assert caught.value.why is Failure.OUT_OF_ORDER
    assert side.state is State.FAILED
    assert side.code is None
    assert side.result is None


@pytest.mark.parametrize("step", range(1, 9))
def test_a_step_that_comes_twice_is_refused(step: int) -> None:
    table, coming = up_to(step)
    table.to(step).receive(*coming)
    assert failure(table, coming) is Failure.OUT_OF_ORDER


def test_a_failed_ceremony_stays_failed_for_the_same_reason() -> None:
    table, coming = up_to(3)
    assert failure(table, Outgoing(3, b"junk")) is Failure.HANDSHAKE
    for _ in range(2):
        assert failure(table, coming) is Failure.HANDSHAKE
    with pytest.raises(CeremonyFailed) as caught:
        table.host.confirm(table.host_key.sign)
    table.host.refuse()
    assert caught.value.why is table.host.failure is Failure.HANDSHAKE


def test_a_pair_that_stands_is_not_undone_by_what_comes_afterwards() -> None:
    table = make_ceremonies()
    table.finish()
    for side in (table.phone, table.host):
        result = side.result
        for step in range(10):
            with pytest.raises(CeremonyFailed):
                side.receive(step, b"junk")
        side.refuse()
        with pytest.raises(CeremonyFailed):
            (table.phone.confirm if side is table.phone else table.host.confirm)(table.phone_key.sign)
        assert side.state is State.PAIRED
        assert side.result is result is not None


def test_nobody_confirms_before_there_is_a_code() -> None:
    for step in range(1, 7):
        table, _ = up_to(step)
        side = table.to(step)
        key = table.host_key if side is table.host else table.phone_key
        with pytest.raises(CeremonyFailed) as caught:
            side.confirm(key.sign)  # type: ignore[attr-defined]  # both sides have it
        assert caught.value.why is Failure.OUT_OF_ORDER


def test_nobody_confirms_or_begins_twice() -> None:
    for who in ("phone", "host"):
        table = make_ceremonies()
        table.compare()
        side, key = (table.phone, table.phone_key) if who == "phone" else (table.host, table.host_key)
        side.confirm(key.sign)
        with pytest.raises(CeremonyFailed):
            side.confirm(key.sign)
    table = make_ceremonies()
    table.phone.begin()
    with pytest.raises(CeremonyFailed):
        table.phone.begin()


def test_a_refusal_ends_it_and_drops_what_was_known() -> None:
    table = make_ceremonies()
    table.compare()

    table.host.refuse()

    assert table.host.state is State.FAILED
    assert table.host.failure is Failure.REFUSED
    assert table.host.code is None
    with pytest.raises(CeremonyFailed):
        table.host.confirm(table.host_key.sign)


# ---- A middle man ----


def test_a_middle_man_with_a_code_of_his_own_makes_the_two_codes_differ() -> None:
    """He saw the host's code and shows his own to the phone: a ceremony on each leg, and both go well for him."""
    for number in range(5):
        honest, his = make_ceremonies(f"honest {number}"), make_ceremonies(f"his {number}")
        honest_phone_key, his_phone_key = honest.phone_key, his.phone_key
        honest.phone, his.phone = (
            phone_with(honest.offer.code, his_phone_key),
            phone_with(his.offer.code, honest_phone_key),
        )

        honest.compare()  # the true host and his phone
        his.compare()  # his host and the true phone

        assert honest.host.code != his.phone.code


def test_a_service_that_swaps_the_messages_of_two_phones_is_found_out() -> None:
    one, two = make_ceremonies("one"), make_ceremonies("two")
    (step_1,) = one.phone.begin()
    assert failure(two, step_1) is Failure.HANDSHAKE

    one, two = make_ceremonies("one"), make_ceremonies("two")
    (one_2,) = one.host.receive(*one.phone.begin()[0])
    two.host.receive(*two.phone.begin()[0])
    assert failure(two, one_2) is Failure.HANDSHAKE


def test_who_did_not_see_the_code_can_not_speak_to_the_host() -> None:
    """A service knows offer id and service name, but neither S nor, before step 1, the host's key."""
    true = make_ceremonies().offer.code
    other_key = public(X25519PrivateKey.from_private_bytes(counted("other")(32)))
    for code in (
        Code(offer_id=true.offer_id, secret=b"?" * 32, host_x25519=true.host_x25519, service=true.service),
        Code(offer_id=true.offer_id, secret=true.secret, host_x25519=other_key, service=true.service),
        Code(offer_id=true.offer_id, secret=true.secret, host_x25519=true.host_x25519, service="other.test"),
    ):
        table = make_ceremonies()
        table.phone = phone_with(code, table.phone_key)
        with pytest.raises(CeremonyFailed) as caught:
            table.compare()
        assert caught.value.why is Failure.HANDSHAKE
        assert table.host.code is None


class RawHost:
    """A host written from docs/encryption.md with nothing but Noise and the primitives, free to lie where it likes."""

    def __init__(self, offer: Offer, *, name: bytes = b"Computer", key: bytes | None = None) -> None:
        self.signing = signing_key("raw")
        self.identity = (public(self.signing) if key is None else key) + name
        self.noise = Handshake(
            "Noise_XKpsk3_25519_ChaChaPoly_SHA256",
            initiator=False,
            prologue=enc("dispatch/pair/1", offer.code.offer_id, offer.code.service),
            s=X25519PrivateKey.from_private_bytes(offer.host_x25519_private),
            psks=(offer.code.psk,),
            rng=counted("raw"),
        )
        self.prk = self.h = self.secret = b""

    def step_2(self, step_1: bytes) -> Outgoing:
        self.secret, ciphertext = kem.encapsulate(self.noise.read(step_1))
        return Outgoing(2, self.noise.write(ciphertext + self.identity))

    def agree(self, step_3: bytes) -> bytes:
        identity = self.noise.read(step_3)
        split = self.noise.split()
        self.h, self.prk = split.h, agree(split.h, split.k1, split.k2, self.secret)
        return identity

    def box(self, step: int, text: bytes) -> Outgoing:
        key = derive(self.prk, b"pair h2p", 32)
        return Outgoing(step, seal_box(key, b"dispatch/pair/1" + bytes([step]), text, counted("box")))

    def unbox(self, step: int, payload: bytes) -> bytes:
        return open_box(derive(self.prk, b"pair p2h", 32), b"dispatch/pair/1" + bytes([step]), payload)

    def commit(self, n_host: bytes) -> bytes:
        return sha256(b"dispatch/pair/1 commit" + self.h + n_host).digest()

    def code(self, n_host: bytes, n_phone: bytes) -> str:
        number = int.from_bytes(derive(self.prk, b"sas" + n_host + n_phone, 8), "big") % 10**6
        return f"{number:06}"


def raw_ceremony(**lies: bytes) -> tuple[PhoneCeremony, RawHost, Ceremonies]:
    """Go up to the host having read step 3."""
    table = make_ceremonies()
    host = RawHost(table.offer, **lies)
    (step_1,) = table.phone.begin()
    (step_3,) = table.phone.receive(*host.step_2(step_1.payload))
    assert host.agree(step_3.payload) == public(table.phone_key) + b"Phone"
    return table.phone, host, table


def test_a_host_written_from_the_document_pairs_with_the_phone() -> None:
    phone, host, table = raw_ceremony()
    n_host = b"n" * 32
    (step_5,) = phone.receive(*host.box(4, host.commit(n_host)))
    n_phone = host.unbox(5, step_5.payload)
    assert phone.receive(*host.box(6, n_host)) == []
    assert phone.code is not None
    assert phone.code.replace(" ", "") == host.code(n_host, n_phone)

    (step_7,) = phone.confirm(table.phone_key.sign)
    assert phone.result is not None
    signature = host.unbox(7, step_7.payload)
    attested = enc(
        "dispatch/attest/1",
        derive(host.prk, b"pair id", 16),
        "dispatch.test",
        public(host.signing),
        public(table.phone_key),
    )
    table.phone_key.public_key().verify(signature, attested)
    phone.receive(*host.box(8, host.signing.sign(attested)))
    assert phone.state is State.PAIRED
    assert phone.result.keys.pair_psk == derive(host.prk, b"session psk", 32)


def test_a_host_that_looks_for_a_fitting_number_after_hearing_the_phones_can_not_open_its_commitment() -> None:
    """This is what keeps a middle man to one guess in 10^6: he has to fix his number before he sees the honest one.

    He wants the phone to show a code that begins as the one on the other leg. Finding a number for that is easy, here
    after about a thousand tries for three digits; the phone takes only the one committed to.
    """
    phone, host, _ = raw_ceremony()
    committed = b"n" * 32
    (step_5,) = phone.receive(*host.box(4, host.commit(committed)))
    n_phone = host.unbox(5, step_5.payload)
    fitting = next(
        number
        for number in (index.to_bytes(32, "big") for index in count())
        if host.code(number, n_phone).startswith("381")
    )

    with pytest.raises(CeremonyFailed) as caught:
        phone.receive(*host.box(6, fitting))
    assert caught.value.why is Failure.COMMITMENT
    assert phone.code is None


def test_the_phone_tells_its_number_only_after_the_commitment_and_the_host_opens_only_after_the_phones() -> None:
    """The order by which nobody chooses a number knowing the other's."""
    table = make_ceremonies()
    carried = [step.step for step in table.deliver(table.phone.begin())]
    assert carried == [1, 2, 3, 4, 5, 6]

    phone, host, _ = raw_ceremony()
    with pytest.raises(CeremonyFailed) as caught:
        phone.receive(*host.box(6, b"n" * 32))
    assert caught.value.why is Failure.OUT_OF_ORDER


def test_the_codes_are_spread_over_all_million() -> None:
    """Not a proof of randomness: a code that lost digits on its way would show."""
    _, host, _ = raw_ceremony()
    codes = [host.code(index.to_bytes(32, "big"), bytes(32)) for index in range(4_000)]

    for place in range(6):
        seen = [sum(code[place] == digit for code in codes) for digit in "0123456789"]
        assert min(seen) > 300


@pytest.mark.parametrize("name", [b"", b"two\nlines", "\u202etxt".encode(), b"\xff", b"x" * 65, b" x"])
def test_a_name_that_breaks_the_rules_ends_the_ceremony(name: bytes) -> None:
    table = make_ceremonies()
    host = RawHost(table.offer, name=name)
    (step_1,) = table.phone.begin()
    assert failure(table, host.step_2(step_1.payload)) is Failure.NAME
    assert table.phone.peer_name is None


def test_a_signing_key_that_is_unusable_or_the_devices_own_ends_the_ceremony() -> None:
    for key in ((1).to_bytes(32, "little"), b"k" * 31, public(make_ceremonies().phone_key)):
        table = make_ceremonies()
        host = RawHost(table.offer, key=key, name=b"")
        (step_1,) = table.phone.begin()
        assert failure(table, host.step_2(step_1.payload)) is Failure.MALFORMED


@pytest.mark.parametrize(("step", "text"), [(4, b"short"), (4, bytes(33)), (6, b""), (6, bytes(31))])
def test_a_box_with_another_length_inside_ends_the_ceremony(step: int, text: bytes) -> None:
    phone, host, table = raw_ceremony()
    if step == 6:
        phone.receive(*host.box(4, bytes(32)))
    assert failure(table, host.box(step, text)) is Failure.MALFORMED


def test_a_host_that_signs_something_else_does_not_complete_the_pair_on_the_phone() -> None:
    phone, host, table = raw_ceremony()
    n_host = b"n" * 32
    phone.receive(*host.box(4, host.commit(n_host)))
    phone.receive(*host.box(6, n_host))
    phone.confirm(table.phone_key.sign)

    assert failure(table, host.box(8, host.signing.sign(b"something else"))) is Failure.SIGNATURE


def test_a_phone_that_signs_something_else_does_not_make_a_pair() -> None:
    table = make_ceremonies()
    table.compare()
    table.host.confirm(table.host_key.sign)
    secrets = table.phone._secrets
    assert secrets is not None
    forged = seal_box(secrets.own_key, b"dispatch/pair/1\x07", table.phone_key.sign(b"else"), counted("x"))

    assert failure(table, Outgoing(7, forged)) is Failure.SIGNATURE
    assert table.host.result is None


def test_a_device_whose_signer_is_not_its_own_notices_before_it_sends() -> None:
    table = make_ceremonies()
    table.compare()
    with pytest.raises(ValueError, match="signer"):
        table.phone.confirm(signing_key("stranger").sign)


def test_a_kem_secret_that_differs_is_found_before_a_code_is_shown() -> None:
    table = make_ceremonies()

    def another_secret(key: bytes) -> kem.Encapsulated:
        return kem.Encapsulated(b"x" * 32, kem.encapsulate(key).ciphertext)

    table.host = HostCeremony(
        table.offer,
        own_ed25519=public(table.host_key),
        own_name="Computer",
        rng=counted("h"),
        encapsulate=another_secret,
    )
    with pytest.raises(CeremonyFailed) as caught:
        table.compare()
    assert caught.value.why is Failure.HANDSHAKE
    assert table.phone.code is None
    assert table.host.code is None


def test_an_unusable_kem_key_ends_the_ceremony() -> None:
    table = make_ceremonies()

    def unusable(_: bytes) -> kem.Encapsulated:
        return kem.encapsulate(b"\xff" * kem.KEY_BYTES)

    table.host = HostCeremony(
        table.offer, own_ed25519=public(table.host_key), own_name="Computer", rng=counted("h"), encapsulate=unusable
    )
    assert failure(table, table.phone.begin()[0]) is Failure.MALFORMED


def test_a_code_with_an_unusable_key_ends_before_anything_is_sent() -> None:
    table = make_ceremonies()
    true = table.offer.code
    code = Code(offer_id=true.offer_id, secret=true.secret, host_x25519=bytes(32), service=true.service)
    phone = phone_with(code, table.phone_key)
    with pytest.raises(CeremonyFailed) as caught:
        phone.begin()
    assert caught.value.why is Failure.HANDSHAKE


def test_a_device_tidies_its_own_name_and_refuses_one_that_breaks_the_rules() -> None:
    table = make_ceremonies(phone_name="  Bu\u0308ro ")
    table.compare()
    assert table.host.peer_name == "Büro"
    with pytest.raises(NameInvalid):
        make_ceremonies(phone_name="a\nb")


def test_no_repr_and_no_error_shows_a_secret() -> None:
    table = make_ceremonies()
    table.finish()
    assert table.phone.result is not None
    keys = table.phone.result.keys
    shown = f"{table.phone!r} {table.host!r} {table.phone.result!r} {table.offer!r}"
    for secret in (keys.own_x25519, keys.pair_psk, table.offer.code.secret, table.offer.host_x25519_private):
        assert repr(secret)[2:-1] not in shown
