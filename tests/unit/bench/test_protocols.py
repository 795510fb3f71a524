"""The protocols that `bench` speaks by hand: what comes in any pieces is the same, and what servers refuse is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from dispatch.sealed.frame import Direction, FrameClass
from hypothesis import given
from hypothesis import strategies as st

from bench.forwarders.tcp import LET_IN
from bench.subjects.jetstream import JetStreamLine
from bench.subjects.line import Line
from bench.subjects.mqtt import MqttLine, body_of, packet, text
from bench.subjects.nats_core import NatsLine
from bench.subjects.redis import RedisLine, Refused, command, word
from bench.subjects.seal import LENGTH_BYTES, sealer
from bench.subjects.socket_io import event, message_of
from bench.subjects.subject import Lost
from bench.subjects.tcp import TcpLine
from tests.support.bench_subject import Told

MESSAGES = (b"one", b"", b"\r\nMSG a 1 3\r\n", bytes(300))
"""What they carry may look like their own words."""


def tcp(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def nats(message: bytes) -> bytes:
    return b"MSG host.0 1 %d\r\n%b\r\n" % (len(message), message)


def stored(message: bytes) -> bytes:
    return b"MSG deliver.x 1 $JS.ACK.1 %d\r\n%b\r\n" % (len(message), message)


def mqtt(message: bytes) -> bytes:
    return packet(0x32, text("host/0"), b"\x00\x07", message)


def redis(message: bytes) -> bytes:
    return b">3\r\n$7\r\nmessage\r\n$6\r\nhost:0\r\n$%d\r\n%b\r\n" % (len(message), message)


SPOKEN: Sequence[tuple[type[Line], Callable[[bytes], bytes], bytes]] = (
    (TcpLine, tcp, LET_IN),
    (NatsLine, nats, b"INFO {}\r\nPONG\r\n"),
    (JetStreamLine, stored, b"INFO {}\r\nPONG\r\n"),
    (MqttLine, mqtt, packet(0x20, b"\x00\x00")),
    (RedisLine, redis, b"%1\r\n$5\r\nproto\r\n:3\r\n"),
)


@pytest.mark.parametrize(("line", "write", "first"), SPOKEN, ids=[one.__name__ for one, _, _ in SPOKEN])
@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
async def test_messages_are_heard_in_order_in_whatever_pieces_they_come(
    line: type[Line], write: Callable[[bytes], bytes], first: bytes, piece: int
) -> None:
    ear = Told()
    end = line(ear)
    data = first + b"".join(write(message) for message in MESSAGES)

    for at in range(0, len(data), piece):
        end.data_received(data[at : at + piece])

    assert ear.messages == list(MESSAGES)
    assert ear.losses == []


class Kept(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


async def asked(line: Line, answer: bytes) -> None:
    """Ask something, and let the server answer that."""
    asking = asyncio.ensure_future(line.asked(b""))
    await asyncio.sleep(0)
    line.data_received(answer)
    await asking


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (TcpLine, b"x"),
        (NatsLine, b"-ERR 'Authorization Violation'\r\n"),
        (MqttLine, packet(0x20, b"\x00\x05")),
        (MqttLine, packet(0x90, b"\x00\x01\x80")),
        (RedisLine, b"-NOPERM no permission\r\n"),
    ],
)
async def test_a_server_that_refuses_is_a_loss(line: type[Line], answer: bytes) -> None:
    with pytest.raises(Lost):
        await asked(line(Told()), answer)


async def test_a_connection_that_ends_is_a_loss_unless_it_was_closed_here() -> None:
    ended, closed = Told(), Told()
    TcpLine(ended).connection_lost(ConnectionResetError("reset"))
    line = TcpLine(closed)
    await line.close()
    line.connection_lost(None)

    assert ended.losses == ["the connection ended: reset"]
    assert closed.losses == []


async def test_mqtt_confirms_what_it_hears_with_its_number() -> None:
    line, transport = MqttLine(Told()), Kept()
    line.connection_made(transport)

    line.data_received(mqtt(b"x"))

    assert transport.written == packet(0x40, b"\x00\x07")


async def test_jetstream_acknowledges_where_it_is_told_to_and_a_message_that_was_not_stored_is_lost() -> None:
    ear, transport = Told(), Kept()
    line = JetStreamLine(ear)
    line.connection_made(transport)
    opening = asyncio.ensure_future(line.begin(hears=b"deliver.x", confirmed=b"stored.x", to=b"js.host.0"))
    for _ in range(2):
        await asyncio.sleep(0)
        line.data_received(b"PONG\r\n")
        await asyncio.sleep(0)
    await opening
    transport.written = b""

    line.data_received(stored(b"x"))
    line.data_received(b'MSG stored.x 2 26\r\n{"stream":"bench","seq":1}\r\n')
    assert transport.written == b"PUB $JS.ACK.1 4\r\n+ACK\r\n"
    assert (ear.messages, ear.losses) == ([b"x"], [])

    refusal = b'{"error":{"code":503}}'
    line.data_received(b"MSG stored.x 2 %d\r\n%b\r\n" % (len(refusal), refusal))
    assert ear.losses == [refusal.decode()]


async def test_redis_says_when_nobody_was_there_to_hear() -> None:
    ear = Told()
    RedisLine(ear).data_received(b":0\r\n")

    assert ear.losses == ["nobody was there to hear a message"]


@given(st.binary(max_size=20_000), st.integers(0, 255))
def test_an_mqtt_packet_says_where_its_body_is(body: bytes, first: int) -> None:
    data = b"before" + packet(first, body[:3], body[3:]) + b"behind"

    found = body_of(data, 6)

    assert found is not None
    begin, end = found
    assert data[begin:end] == body
    assert all(body_of(data[:cut], 6) is None for cut in (6, 7, end - 1) if cut < end)


def test_a_length_of_mqtt_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        body_of(b"\x30\xff\xff\xff\xff\xff", 0)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"$3\r\nabc\r\n", b"abc"),
        (b"$-1\r\n", None),
        (b":-7\r\n", -7),
        (b"+OK\r\n", b"OK"),
        (b"*2\r\n:1\r\n*1\r\n+a\r\n", [1, [b"a"]]),
        (b"%1\r\n+a\r\n:1\r\n", [b"a", 1]),
        (b">2\r\n+a\r\n:1\r\n", (b"a", 1)),
    ],
)
def test_a_value_of_redis_is_read(data: bytes, value: object) -> None:
    assert word(data, 0) == (value, len(data))
    assert all(word(data[:cut], 0) is None for cut in range(len(data)))


def test_an_error_of_redis_is_no_value() -> None:
    found = word(b"-ERR no\r\n", 0)

    assert found is not None
    assert isinstance(found[0], Refused)


def test_a_command_of_redis_is_what_redis_reads() -> None:
    written = command(b"PUBLISH", b"a", b"\r\n")

    assert word(written, 0) == ([b"PUBLISH", b"a", b"\r\n"], len(written))


@given(st.binary())
def test_a_message_comes_out_of_an_event_of_socket_io(message: bytes) -> None:
    assert message_of(event(message)) == message


@pytest.mark.parametrize("other", ["2", '40{"sid":"x"}', '42["another","eA=="]'])
def test_what_else_socket_io_says_is_no_message(other: str) -> None:
    assert message_of(other) is None


def test_a_message_of_a_kib_is_sealed_as_a_text_of_a_kib() -> None:
    """Padded up it would be four times as much as any other subject carries."""
    phone, host = (
        sealer(b"p" * 16, Direction.UP, FrameClass.COMMAND, rng=lambda count: b"n" * count) for _ in range(2)
    )
    for size, text_size in ((300, 1_024), (1_024, 1_024), (8_192, 16_384), (65_536, 65_536)):
        body = bytes(size - LENGTH_BYTES)
        sealed = phone.seal(body)

        assert len(sealed) - text_size < 64
        assert host.open(sealed) == body
