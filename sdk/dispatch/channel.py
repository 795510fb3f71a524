"""How both ends of every gRPC connection are set, so that a dead peer is noticed and an idle one is left alone.

Without ping_timeout_ms a cut connection goes unnoticed for a minute whatever keepalive says; without
min_ping_interval a server closes idle phones with "too many pings".
"""

from __future__ import annotations

import grpc

Options = list[tuple[str, int]]

_KEEPALIVE: Options = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
]

_BOUNDED: Options = [
    # gRPC lets more and more of a stream be under way while it measures that the line takes its time; but a line that takes its
    # time has a queue, and what a thread says next stands behind it. So: no measuring, and little beyond the message that is read.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16 * 1024),
]
"""How much of a transfer is under way to who reads it: docs/files.md "What is under way" has the figures."""

CONNECT_WITHIN_MS = 5_000
"""How long an attempt to connect may take: three round trips over a line where each takes more than a second."""

MESSAGE_BYTES = 2 * 1024 * 1024
"""Largest gRPC message either way: a full batch of frames and some air."""

COMPANY_SECONDS = 0.05
"""How long a frame that is in no hurry waits for one that takes it along: a message costs the same for one and for many, and no
person sees the difference. docs/protocol.md "Batched"."""


def client_options() -> Options:
    """Give the options of a client's channel."""
    return [
        *_KEEPALIVE,
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        # We back off by ourselves, with jitter; grpc's own wait of up to two minutes would hide a host that is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # Not what its name says: how long TCP, TLS and HTTP/2 may take to begin before the attempt is given up.
        ("grpc.min_reconnect_backoff_ms", CONNECT_WITHIN_MS),
        ("grpc.enable_retries", 0),
    ]


def server_options() -> Options:
    """Give the options of a server."""
    return [
        *_KEEPALIVE,
        *_BOUNDED,
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),
    ]


def dial(
    address: str, credentials: grpc.ChannelCredentials | None = None, *, name: str = "", alone: bool = False
) -> grpc.aio.Channel:
    """Open a channel to an address, in the clear without credentials. It connects when it is first used.

    `name` is what the certificate must be for, when that is not the address. `alone` makes a connection that this channel
    shares with no other, with little under way: what is bulky would hold up whatever goes over the same connection, or line.

    Whoever dials an address that somebody else named goes through `dispatch.tls.Dialler`, which decides on the credentials.
    """
    own = [("grpc.use_local_subchannel_pool", 1), *_BOUNDED] if alone else []
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=[*client_options(), *own])
    named = [("grpc.ssl_target_name_override", name)] if name else []
    return grpc.aio.secure_channel(address, credentials, options=[*client_options(), *own, *named])
