"""Frames, boxes and chains: what is hidden, what is bound, what is accepted, what comes back when a frame does not open."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest
from dispatch.encoding import message_id
from dispatch.ids import PairId
from dispatch.sealed.box import OVERHEAD_BYTES, open_box, seal_box
from dispatch.sealed.chain import FURTHEST_AHEAD, Chain, open_, seal
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.frame import HEADER_BYTES, LONGEST_BODY, TEXT_SIZES, Direction, FrameClass, pad, parse, unpad
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pairs import counted

CHAIN = Chain(
    pair_id=PairId(b"P" * 16),
    epoch=b"epoch-08",
    direction=Direction.UP,
    frame_class=FrameClass.COMMAND,
    n=0,
    key=counted("chain")(32),
)


def why(chain: Chain, sealed: bytes) -> Why:
    """Open what must not open, and say why not."""
    with pytest.raises(SealError) as caught:
        open_(chain, sealed)
    return caught.value.why


def sealed_at(n: int, body: bytes = b"body") -> bytes:
    """Seal at a place further on."""
    chain = CHAIN
    for _ in range(n):
        chain = seal(chain, b"", counted("skipped")).chain
    return seal(chain, body, counted("sealed")).sealed


@settings(max_examples=100)
@given(st.binary(max_size=LONGEST_BODY))
def test_what_one_end_seals_the_other_opens(body: bytes) -> None:
    sealed, sender = seal(CHAIN, body, os.urandom)

    opened, receiver = open_(CHAIN, sealed)

    assert opened == body
    assert receiver == sender
    assert receiver.n == 1
    assert receiver.key != CHAIN.key


@pytest.mark.parametrize(
    ("body_bytes", "text_bytes"),
    [
        (0, 256),
        (252, 256),
        (253, 1024),
        (1020, 1024),
        (1021, 4096),
        (4092, 4096),
        (4093, 16384),
        (16380, 16384),
        (16381, 65536),
        (LONGEST_BODY, 65536),
    ],
)
def test_a_server_learns_only_one_of_five_sizes(body_bytes: int, text_bytes: int) -> None:
    sealed = seal(CHAIN, bytes(body_bytes), os.urandom).sealed

    assert len(sealed) == HEADER_BYTES + OVERHEAD_BYTES + text_bytes


def test_a_body_that_is_too_long_is_refused_before_anything_is_sealed() -> None:
    assert LONGEST_BODY == 65_532
    with pytest.raises(ValueError, match="65,532"):
        seal(CHAIN, bytes(LONGEST_BODY + 1), os.urandom)


def test_a_frame_with_any_byte_changed_does_not_open_and_the_true_one_still_does() -> None:
    sealed = seal(CHAIN, b"body", os.urandom).sealed
    for place in range(len(sealed)):
        for bit in (1, 0x80):
            why(CHAIN, sealed[:place] + bytes([sealed[place] ^ bit]) + sealed[place + 1 :])
    assert open_(CHAIN, sealed).body == b"body"


def test_a_frame_of_any_other_length_is_malformed() -> None:
    sealed = seal(CHAIN, b"body", os.urandom).sealed
    for length in [0, 1, 8, 9, HEADER_BYTES, HEADER_BYTES + OVERHEAD_BYTES, len(sealed) - 1]:
        assert why(CHAIN, sealed[:length]) is Why.MALFORMED
    assert why(CHAIN, sealed + b"\0") is Why.MALFORMED
    assert why(CHAIN, bytes([2]) + sealed[1:]) is Why.VERSION


@settings(max_examples=200)
@given(st.binary(max_size=400) | st.binary(min_size=304, max_size=304).map(lambda junk: b"\x01epoch-08" + junk[8:]))
def test_garbage_is_refused_with_the_one_error(garbage: bytes) -> None:
    why(CHAIN, garbage)


@pytest.mark.parametrize(
    "other",
    [
        replace(CHAIN, pair_id=PairId(b"Q" * 16)),
        replace(CHAIN, direction=Direction.DOWN),
        replace(CHAIN, frame_class=FrameClass.LIVE),
        replace(CHAIN, frame_class=FrameClass.KEEP),
        replace(CHAIN, key=bytes(32)),
    ],
)
def test_a_frame_is_bound_to_its_pairing_direction_class_and_key(other: Chain) -> None:
    sealed = seal(CHAIN, b"body", os.urandom).sealed

    assert why(other, sealed) is Why.BAD_TAG


def test_a_frame_of_another_epoch_is_told_apart_without_trying_a_key() -> None:
    sealed = seal(replace(CHAIN, epoch=b"EPOCH-08"), b"body", os.urandom).sealed

    assert why(CHAIN, sealed) is Why.UNKNOWN_EPOCH


def test_a_frame_opens_once() -> None:
    sealed = seal(CHAIN, b"body", os.urandom).sealed
    chain = open_(CHAIN, sealed).chain

    assert why(chain, sealed) is Why.TOO_OLD


def test_gaps_are_normal_and_what_was_skipped_is_gone() -> None:
    first, third = sealed_at(0), sealed_at(2, b"third")

    body, chain = open_(CHAIN, third)

    assert body == b"third"
    assert chain.n == 3
    assert why(chain, first) is Why.TOO_OLD


def test_a_frame_is_taken_up_to_16384_places_ahead_and_no_further() -> None:
    chain = CHAIN
    assert FURTHEST_AHEAD == 16_384
    last_taken = sealed_at(FURTHEST_AHEAD, b"last")

    assert open_(chain, last_taken).body == b"last"
    assert why(chain, sealed_at(FURTHEST_AHEAD + 1)) is Why.TOO_FAR


def test_a_forged_place_far_ahead_costs_nothing_and_changes_nothing() -> None:
    sealed = bytearray(seal(CHAIN, b"body", os.urandom).sealed)
    sealed[9:17] = b"\xff" * 8

    assert why(CHAIN, bytes(sealed)) is Why.TOO_FAR


def test_a_chain_that_came_back_from_a_backup_gives_other_bytes_for_the_same_place() -> None:
    """The rolled-back key returns, but no (key, nonce) pair does: both frames open, neither shows how the texts differ."""
    kept = CHAIN.to_bytes()
    first = seal(CHAIN, b"one body", os.urandom).sealed

    again = seal(Chain.from_bytes(kept), b"another body", os.urandom).sealed
    same = seal(Chain.from_bytes(kept), b"one body", os.urandom).sealed

    assert parse(first).n == parse(again).n
    assert len({message_id(sealed) for sealed in (first, again, same)}) == 3
    differences = Counter(a ^ b for a, b in zip(parse(first).box[16:], parse(same).box[16:], strict=True))
    assert differences[0] < 16  # the same text under the same chain key: the key streams have nothing in common
    assert open_(CHAIN, first).body == open_(CHAIN, same).body == b"one body"


def test_turning_a_chain_does_not_lead_back() -> None:
    sealed, turned = seal(CHAIN, b"body", os.urandom)

    assert why(replace(turned, n=0), sealed) is Why.BAD_TAG


@given(st.sampled_from(list(Direction)), st.sampled_from(list(FrameClass)), st.integers(0, 2**64 - 1))
def test_a_chain_goes_through_a_store_unchanged(direction: Direction, frame_class: FrameClass, n: int) -> None:
    chain = replace(CHAIN, direction=direction, frame_class=frame_class, n=n)

    assert Chain.from_bytes(chain.to_bytes()) == chain


@pytest.mark.parametrize("place", [0, 25, 26])
def test_a_damaged_chain_in_a_store_is_an_error(place: int) -> None:
    data = bytearray(CHAIN.to_bytes())
    data[place] = 9
    with pytest.raises(ValueError):
        Chain.from_bytes(bytes(data))
    for length in (0, len(data) - 1):
        with pytest.raises(ValueError):
            Chain.from_bytes(CHAIN.to_bytes()[:length])


def test_no_repr_shows_the_key() -> None:
    assert repr(CHAIN.key)[2:-1] not in repr(CHAIN)
    assert "key" not in repr(CHAIN)


@pytest.mark.parametrize(
    "text",
    [b"\0\0\0\5body" + bytes(248), b"\0\0\0\4body" + bytes(247) + b"x", b"\xff\xff\xff\xff" + bytes(252), bytes(3)],
)
def test_padding_that_is_not_zeros_or_a_length_that_does_not_fit_is_malformed(text: bytes) -> None:
    if text.startswith(b"\0\0\0\5"):
        assert unpad(text) == b"body\0"  # a longer length is simply another body: the seal is what protects it
        return
    with pytest.raises(SealError) as caught:
        unpad(text)
    assert caught.value.why is Why.MALFORMED


def test_padding_is_length_body_zeros() -> None:
    assert pad(b"body") == b"\0\0\0\4body" + bytes(248)
    assert [len(pad(bytes(size - 4))) for size in TEXT_SIZES] == list(TEXT_SIZES)


def test_a_box_uses_a_fresh_salt_each_time() -> None:
    boxes = {seal_box(b"k" * 32, b"aad", b"text", os.urandom) for _ in range(8)}

    assert len({box[:16] for box in boxes}) == 8
    assert {open_box(b"k" * 32, b"aad", box) for box in boxes} == {b"text"}


def test_a_box_opens_only_with_its_key_and_its_aad() -> None:
    box = seal_box(b"k" * 32, b"aad", b"text", os.urandom)
    for key, aad in ((b"l" * 32, b"aad"), (b"k" * 32, b"AAD")):
        with pytest.raises(SealError):
            open_box(key, aad, box)
    with pytest.raises(SealError):
        open_box(b"k" * 32, b"aad", box[: OVERHEAD_BYTES - 1])
