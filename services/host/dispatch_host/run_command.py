"""What `dispatch-host run` says on standard output. Called by `cli`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.cli import Console

from dispatch_host.app import Told
from dispatch_host.journal.values import Pairing


def told_on(console: Console) -> Told:
    """Say it on this console, for as long as somebody reads there (`| head`): the host works for the phones, who still do."""
    listening = True

    def say(event: Mapping[str, Any], words: str) -> None:
        nonlocal listening
        if listening:
            try:
                console.event(event, words)
            except BrokenPipeError:
                listening = False

    def running(metrics: str) -> None:
        say(
            {"event": "running", "metrics": metrics or None},
            "Running. Ctrl-C stops it." + (f" Metrics on {metrics}." if metrics else ""),
        )

    def connected(pairing: Pairing) -> None:
        say(
            {"event": "connected", "pair_id": pairing.pair_id.hex(), "phone": pairing.phone_name},
            console.styled(f"Connected for {pairing.phone_name}.", fg="green"),
        )

    def disconnected(pairing: Pairing, reason: Reason.ValueType) -> None:
        say(
            {
                "event": "disconnected",
                "pair_id": pairing.pair_id.hex(),
                "phone": pairing.phone_name,
                "reason": errors.word(reason),
            },
            console.styled(
                f"Not connected for {pairing.phone_name}: {errors.kind_of(reason).words_in(console.words).sentence}",
                fg="yellow",
            ),
        )

    def over(pairing: Pairing) -> None:
        say(
            {"event": "unpaired", "pair_ids": [pairing.pair_id.hex()], "phone": pairing.phone_name},
            console.styled(
                f"{pairing.phone_name} is no longer paired: it was revoked, or unpaired itself.", fg="yellow"
            ),
        )

    return Told(running=running, connected=connected, disconnected=disconnected, over=over)
