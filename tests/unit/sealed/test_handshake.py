"""The handshake of a session: what it binds, what it refuses, and that nothing it says counts before the confirmation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch.encoding import enc
from dispatch.noise import Handshake
from dispatch.sealed import kem
from dispatch.sealed.chain import open_, seal
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.handshake import (
    LONGEST_GRANT,
    MESSAGE_1,
    MESSAGE_2,
    Answered,
    Epoch,
    PhoneHandshake,
    answer,
    is_handshake,
)
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pairs import GRANT, Pair, counted, make_pair, public, signing_key

HEAD = Head(7, b"h" * 32)
PAIR = make_pair()


def ask(keys: PairKeys = PAIR.phone, *, grant: bytes = GRANT, versions: tuple[int, ...] = (1,)) -> PhoneHandshake:
    return PhoneHandshake(keys, grant=grant, head=HEAD, now_ms=0, rng=counted("phone"), versions=versions)


def reply(message1: bytes, keys: PairKeys = PAIR.host, *, host_epoch: bytes | None = None) -> Answered:
    return answer(keys, message1, host_epoch=host_epoch, now_ms=0, rng=counted("host"))


def why_not(message1: bytes, keys: PairKeys = PAIR.host) -> Why:
    with pytest.raises(SealError) as caught:
        reply(message1, keys)
    return caught.value.why


def chains(epoch: Epoch) -> list[object]:
    return [epoch.epoch, epoch.up_command, epoch.up_live, epoch.down_keep, epoch.down_live]


def test_both_sides_have_the_same_epoch_and_the_same_four_chains() -> None:
    phone = ask()
    answered = reply(phone.message1)

    epoch, host_epoch = phone.finish(answered.message2, now_ms=1)

    assert chains(epoch) == chains(answered.epoch)
    assert len({chain.key for chain in (epoch.up_command, epoch.up_live, epoch.down_keep, epoch.down_live)}) == 4
    assert host_epoch is None
    assert epoch.version == 1
    assert len(epoch.epoch) == 8


def test_message_1_carries_the_grant_and_the_phones_head_and_message_2_the_hosts_epoch() -> None:
    phone = ask()
    answered = reply(phone.message1, host_epoch=b"epoch-08")

    assert (answered.grant, answered.head) == (GRANT, HEAD)
    assert phone.finish(answered.message2, now_ms=0)[1] == b"epoch-08"


def test_the_grant_and_the_head_are_not_in_the_clear() -> None:
    message1 = ask().message1

    assert GRANT not in message1
    assert HEAD.hash not in message1


def test_the_same_keys_give_another_epoch_each_time() -> None:
    rng_phone, rng_host = counted("a"), counted("b")
    epochs = set()
    for _ in range(3):
        phone = PhoneHandshake(PAIR.phone, grant=GRANT, head=HEAD, now_ms=0, rng=rng_phone)
        answered = answer(PAIR.host, phone.message1, host_epoch=None, now_ms=0, rng=rng_host)
        epochs.add(phone.finish(answered.message2, now_ms=0)[0].epoch)
    assert len(epochs) == 3


def test_message_1_with_any_byte_changed_is_refused() -> None:
    message1 = ask().message1
    for place in range(len(message1)):
        why_not(message1[:place] + bytes([message1[place] ^ 1]) + message1[place + 1 :])


def test_message_2_with_any_byte_changed_is_ignored_and_the_true_one_still_fits() -> None:
    phone = ask()
    message2 = reply(phone.message1).message2
    for place in range(len(message2)):
        with pytest.raises(SealError):
            phone.finish(message2[:place] + bytes([message2[place] ^ 1]) + message2[place + 1 :], now_ms=0)
    assert phone.finish(message2, now_ms=0)


@pytest.mark.parametrize("cut", [0, 1, 16, 17, 18, 19, 50, 1300])
def test_a_cut_message_1_is_refused(cut: int) -> None:
    why_not(ask().message1[:cut])


@settings(max_examples=150)
@given(st.binary(max_size=100), st.sampled_from([b"", b"\x81", b"\x81" + PAIR.host.pair_id + b"\x01\x01"]))
def test_garbage_is_refused_with_the_one_error(garbage: bytes, begin: bytes) -> None:
    why_not(begin + garbage)
    with pytest.raises(SealError):
        ask().finish(begin + garbage, now_ms=0)


def test_message_1_of_another_pairing_is_told_apart_before_any_cryptography() -> None:
    other = make_pair("other")

    assert why_not(ask(other.phone).message1) is Why.OTHER_PAIR


def other_keys(pair: Pair, field: str) -> PairKeys:
    """Give the phone's keys with one of them exchanged for somebody else's."""
    stranger = make_pair("stranger").phone
    return replace(pair.phone, **{field: getattr(stranger, field)})


@pytest.mark.parametrize("field", ["own_x25519", "peer_x25519", "own_ed25519", "peer_ed25519", "pair_psk"])
def test_every_key_of_the_pairing_is_needed_for_message_1(field: str) -> None:
    """Somebody with all keys but one does not get an answer; the Ed25519 keys are bound by the prologue."""
    assert why_not(ask(other_keys(PAIR, field)).message1) is Why.BAD_TAG


@pytest.mark.parametrize("field", ["own_x25519", "peer_x25519", "own_ed25519", "peer_ed25519", "pair_psk"])
def test_nobody_can_answer_for_the_host_who_lacks_one_of_its_keys(field: str) -> None:
    phone = ask()
    stranger = replace(PAIR.host, **{field: getattr(make_pair("stranger").host, field)})
    assert why_not(phone.message1, stranger) is Why.BAD_TAG


def test_a_host_without_the_phones_static_key_can_not_fake_message_2() -> None:
    """An attacker who has the psk, and who sees message 1, but not the host's X25519 key."""
    phone = ask()
    honest = reply(phone.message1)
    forged = reply(PhoneHandshake(PAIR.phone, grant=GRANT, head=HEAD, now_ms=0, rng=counted("forger")).message1)
    assert honest.message2 != forged.message2

    with pytest.raises(SealError):
        phone.finish(forged.message2, now_ms=0)


def test_who_has_stolen_the_phones_keys_and_replays_message_1_learns_nothing_that_opens_or_confirms() -> None:
    """Message 1 can be replayed by anyone. The answer differs each time, and confirming needs the ephemeral key."""
    phone = ask()
    rng = counted("host")
    first = answer(PAIR.host, phone.message1, host_epoch=None, now_ms=0, rng=rng)
    second = answer(PAIR.host, phone.message1, host_epoch=None, now_ms=0, rng=rng)
    assert first.epoch.epoch != second.epoch.epoch

    epoch, _ = phone.finish(first.message2, now_ms=0)
    confirm = seal(epoch.up_live, b"", counted("salt")).sealed

    assert open_(first.epoch.up_live, confirm).body == b""
    with pytest.raises(SealError):
        open_(second.epoch.up_live, confirm)


def test_the_highest_common_version_is_chosen_and_bound() -> None:
    phone = ask(versions=(1, 2, 9))
    answered = reply(phone.message1)

    assert phone.finish(answered.message2, now_ms=0)[0].version == 1
    assert why_not(ask(versions=(2, 9)).message1) is Why.VERSION


def test_a_server_can_not_strike_a_version_from_the_list() -> None:
    message1 = ask(versions=(1, 2)).message1
    head = len(bytes([MESSAGE_1]) + PAIR.phone.pair_id)

    assert why_not(message1[:head] + bytes([1, 1]) + message1[head + 3 :]) is Why.BAD_TAG


def hosts_noise(message1: bytes) -> tuple[Handshake, bytes]:
    """Read message 1 with Noise alone, as somebody would who writes this protocol anew; give the payload, too."""
    header_end = 18 + message1[17]
    noise = Handshake(
        "Noise_KKpsk0_25519_ChaChaPoly_SHA256",
        initiator=False,
        prologue=enc(
            "dispatch/session/1", message1[1:header_end], public(PAIR.host_signing), public(PAIR.phone_signing)
        ),
        s=X25519PrivateKey.from_private_bytes(PAIR.host.own_x25519),
        rs=PAIR.host.peer_x25519,
        psks=(PAIR.host.pair_psk,),
        rng=counted("host"),
    )
    return noise, noise.read(message1[header_end:])


def test_the_payload_of_message_1_is_key_grant_head() -> None:
    _, payload = hosts_noise(ask().message1)

    assert payload[1184:] == len(GRANT).to_bytes(2, "big") + GRANT + (7).to_bytes(8, "big") + b"h" * 32


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (b"\x01" + bytes(8), None),
        (b"\x02" + bytes(8), Why.VERSION),
        (b"\x01" + bytes(7), Why.MALFORMED),
        (b"\x01" + bytes(9), Why.MALFORMED),
    ],
)
def test_message_2_is_ciphertext_version_epoch_and_the_version_one_of_those_offered(
    tail: bytes, why: Why | None
) -> None:
    phone = ask()
    noise, payload = hosts_noise(phone.message1)
    message2 = bytes([MESSAGE_2]) + noise.write(kem.encapsulate(payload[:1184]).ciphertext + tail)

    if why is None:
        assert phone.finish(message2, now_ms=0)[1] is None
        return
    with pytest.raises(SealError) as caught:
        phone.finish(message2, now_ms=0)
    assert caught.value.why is why


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(1184),
        bytes(1184 + 2 + 39),
        bytes(1184 + 2 + 41),
        bytes(1184) + b"\xff\xff" + bytes(40),
        bytes(1184) + b"\x10\x01" + bytes(4097 + 40),
    ],
)
def test_a_payload_of_message_1_that_does_not_keep_to_its_form_is_malformed(payload: bytes) -> None:
    """It comes from the phone itself: only somebody with its keys gets so far."""
    phone = ask()
    header = phone.message1[1:19]
    noise = Handshake(
        "Noise_KKpsk0_25519_ChaChaPoly_SHA256",
        initiator=True,
        prologue=enc("dispatch/session/1", header, public(PAIR.host_signing), public(PAIR.phone_signing)),
        s=X25519PrivateKey.from_private_bytes(PAIR.phone.own_x25519),
        rs=PAIR.phone.peer_x25519,
        psks=(PAIR.phone.pair_psk,),
        rng=counted("phone"),
    )

    assert why_not(phone.message1[:19] + noise.write(payload)) is Why.MALFORMED


@pytest.mark.parametrize("count", [0, 17, 255])
def test_a_list_of_versions_is_one_to_sixteen_long(count: int) -> None:
    message1 = bytes([MESSAGE_1]) + PAIR.host.pair_id + bytes([count]) + b"\x01" * count + bytes(1500)

    assert why_not(message1) is Why.MALFORMED


def test_a_grant_has_a_limit() -> None:
    assert reply(ask(grant=bytes(LONGEST_GRANT)).message1).grant == bytes(LONGEST_GRANT)
    with pytest.raises(ValueError, match="grant"):
        ask(grant=bytes(LONGEST_GRANT + 1))


def test_the_kem_secret_is_part_of_every_key() -> None:
    """With another KEM secret on one side, all of Noise agrees and still nothing opens."""
    phone = ask()

    def another_secret(key: bytes) -> kem.Encapsulated:
        return kem.Encapsulated(b"x" * 32, kem.encapsulate(key).ciphertext)

    answered = answer(
        PAIR.host, phone.message1, host_epoch=None, now_ms=0, rng=counted("host"), encapsulate=another_secret
    )
    epoch, _ = phone.finish(answered.message2, now_ms=0)

    assert epoch.epoch != answered.epoch.epoch
    assert not {chain.key for chain in (epoch.up_command, epoch.down_keep)} & {answered.epoch.up_command.key}


def test_an_unusable_kem_key_is_refused() -> None:
    phone = ask()

    def unusable(_: bytes) -> kem.Encapsulated:
        return kem.encapsulate(b"\xff" * kem.KEY_BYTES)

    with pytest.raises(SealError) as caught:
        answer(PAIR.host, phone.message1, host_epoch=None, now_ms=0, rng=counted("host"), encapsulate=unusable)
    assert caught.value.why is Why.MALFORMED


def test_the_first_byte_tells_a_handshake_from_a_frame() -> None:
    phone = ask()
    answered = reply(phone.message1)
    frame = seal(answered.epoch.up_live, b"", counted("salt")).sealed

    assert is_handshake(phone.message1)
    assert is_handshake(answered.message2)
    assert not is_handshake(frame)
    assert not is_handshake(b"")
    assert {phone.message1[0], answered.message2[0]} == {MESSAGE_1, MESSAGE_2}


def test_a_reflected_message_is_no_answer() -> None:
    phone = ask()
    with pytest.raises(SealError):
        phone.finish(phone.message1, now_ms=0)
    with pytest.raises(SealError):
        phone.finish(bytes([MESSAGE_2]) + phone.message1[1:], now_ms=0)


@pytest.mark.parametrize("keys", [PAIR.phone, PAIR.host])
def test_keys_go_through_a_store_unchanged_and_show_nothing(keys: PairKeys) -> None:
    assert PairKeys.from_bytes(keys.to_bytes()) == keys
    for secret in (keys.own_x25519, keys.pair_psk):
        assert repr(secret)[2:-1] not in repr(keys)
        assert secret.hex() not in repr(keys)
    assert "psk" not in repr(keys)


def test_each_side_knows_which_signing_key_is_whose() -> None:
    for keys in (PAIR.phone, PAIR.host):
        assert keys.phone_ed25519 == public(PAIR.phone_signing) == public(signing_key("pair phone"))
        assert keys.host_ed25519 == public(PAIR.host_signing)


@pytest.mark.parametrize("place", [0, 1])
def test_damaged_keys_in_a_store_are_an_error(place: int) -> None:
    data = bytearray(PAIR.phone.to_bytes())
    data[place] = 9
    for broken in (bytes(data), b"", PAIR.phone.to_bytes()[:-1], PAIR.phone.to_bytes() + b"\0"):
        with pytest.raises(ValueError):
            PairKeys.from_bytes(broken)
    with pytest.raises(ValueError):
        replace(PAIR.phone, pair_psk=b"short")
