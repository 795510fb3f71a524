"""What an operator may set, read once from the environment. Every mistake is reported, not only the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network

PREFIX = "DISPATCH_RELAY_"


class BadSettings(ValueError):
    """The environment is wrong; the text names each mistake on a line of its own."""


def _number(default: int, about: str, *, least: int = 1) -> int:
    value: int = field(default=default, metadata={"about": about, "least": least})
    return value


@dataclass(frozen=True, slots=True)
class Settings:
    """Every one is an environment variable: DISPATCH_RELAY_LEASE_MS for lease_ms. Units are in the names."""

    lease_ms: int = _number(5_000, "how long a device has to answer a Ping, and how long a broken stream may reconnect")
    idle_ask_ms: int = _number(30_000, "how often a device is asked while nobody waits for it")
    restart_grace_ms: int = _number(10_000, "how long after its own start the relay waits for devices that were there")
    valid_for_ms: int = _number(10_000, "longest time for which a command may wait for its verdict")
    hello_ms: int = _number(10_000, "how long a device has for Hello, Proof and Open")
    openings: int = _number(256, "streams of one address that may be opening at once")
    sealed_bytes: int = _number(66_048, "largest sealed message")
    frames: int = _number(256, "most frames in one message of a device")
    posts_per_second: int = _number(200, "posts a second and stream, on average")
    live_per_second: int = _number(50, "live frames a second and stream, on average")
    pending_commands: int = _number(64, "commands of one pairing that may wait for a verdict at once")
    open_tasks: int = _number(256, "tasks of one pairing that may be accepted and not over at once")
    batch_bytes: int = _number(1_048_576, "largest message to a device, about")
    queue_bytes: int = _number(262_144, "live frames and answers kept for a device that reads slowly")
    thread_bytes: int = _number(67_108_864, "most that is kept of one thread; the oldest goes first")
    keep_days: int = _number(
        30, "how long rows are kept that both ends have, and the ids of refused commands and of tasks"
    )
    transfers: int = _number(
        256, "transfers of files that may be under way at once, each of which holds a chunk each way"
    )
    transfers_of_pairing: int = _number(4, "transfers of one pairing that may be under way at once")
    transfer_bytes: int = _number(4_831_838_208, "most bytes that one transfer may carry: 4.5 GiB")
    transfer_join_ms: int = _number(10_000, "how long one end of a transfer waits for the other")
    transfer_idle_ms: int = _number(90_000, "how long a transfer may stand still")
    push_group_ms: int = _number(2_000, "how long news wait for more, to be one push with them")
    push_news_gap_ms: int = _number(60_000, "how long after a push the next news of that pairing wait")
    push_question_gap_ms: int = _number(15_000, "how long after a push the next question of that pairing waits")
    push_retry_ms: int = _number(5_000, "after how long a push that came to nothing is tried again at first")
    push_timeout_ms: int = _number(10_000, "how long a push service has to answer")
    push_networks: tuple[str, ...] = field(
        default=(),
        metadata={"about": "networks beside the internet in which push services may be, separated by commas"},
    )
    sweep_seconds: int = _number(3_600, "how often old rows are looked for")
    trust_stale_seconds: int = _number(300, "how old the pairing service's word may be before nobody is let in")
    drain_ms: int = _number(2_000, "how long devices have to leave when the relay is stopped")
    web_connections: int = _number(4_096, "connections to the listener for browsers at once")
    names: tuple[str, ...] = field(
        default=(), metadata={"about": "more addresses by which devices may dial this relay, separated by commas"}
    )

    @property
    def silence_ms(self) -> int:
        """After this much silence a device should take its stream for lost."""
        return 2 * self.idle_ask_ms + self.lease_ms


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises BadSettings."""
    values: dict[str, int | tuple[str, ...]] = {}
    known = {PREFIX + one.name.upper(): one for one in fields(Settings)}
    strangers = sorted(name for name in set(environment) - set(known) if name.startswith(PREFIX))
    mistakes = [f"{name} is not a setting" for name in strangers]
    for name, one in known.items():
        text = environment.get(name)
        if text is None:
            continue
        if "least" not in one.metadata:
            parts = values[one.name] = tuple(part.strip() for part in text.split(",") if part.strip())
            if one.name == "push_networks":
                mistakes += [f"{name}: {part!r} is no network" for part in parts if not _is_network(part)]
        elif not text.isascii() or not text.isdigit() or int(text) < one.metadata["least"]:
            mistakes.append(f"{name} is {text!r}, not a whole number from {one.metadata['least']}")
        else:
            values[one.name] = int(text)
    if mistakes:
        raise BadSettings("\n".join(mistakes))
    return Settings(**values)  # type: ignore[arg-type] # each value was read by the kind of its field
