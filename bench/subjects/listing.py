"""All subjects, in the order of the tables. A new one is named here and in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.subjects.bare import Bare
from bench.subjects.jetstream import JetStream
from bench.subjects.mqtt import Mosquitto
from bench.subjects.nats_core import NatsCore
from bench.subjects.redis import Redis
from bench.subjects.relay import Relay
from bench.subjects.socket_io import SocketIo
from bench.subjects.subject import Subject
from bench.subjects.tcp import Tcp

SUBJECTS: Mapping[str, Callable[[], Subject]] = {
    "tcp": Tcp,
    "bare": Bare,
    "relay": Relay,
    "relay-tls": lambda: Relay(tls=True),
    "relay-live": lambda: Relay(live=True),
    "nats": NatsCore,
    "jetstream": JetStream,
    "mosquitto": Mosquitto,
    "redis": Redis,
    "socket-io": SocketIo,
}
