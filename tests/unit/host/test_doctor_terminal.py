"""What the doctor says of the terminal, from the grant and from what the probe found."""

from __future__ import annotations

from pathlib import Path

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.doctor.chain import State
from dispatch_host.doctor_looks import look_at_sandbox
from dispatch_host.permissions.permission import TERMINAL, UNCONFINED, Grant
from dispatch_host.sandbox.probe import Found
from dispatch_host.sandbox.unconfined import Unconfined

MISSING = Found(None, "bubblewrap is not installed.", "Install the package bubblewrap.")


def test_a_sandbox_is_all_well() -> None:
    finding = look_at_sandbox(Grant(permission=TERMINAL), Found(Unconfined(home=Path("/nowhere"))))

    assert finding.state is State.OK


def test_a_missing_one_is_broken_with_what_to_do() -> None:
    finding = look_at_sandbox(Grant(permission=TERMINAL), MISSING)

    assert finding.state is State.BROKEN
    assert finding.reason == Reason.REASON_SANDBOX_UNAVAILABLE
    assert "not installed" in finding.text
    assert "Install" in finding.advice


def test_one_that_the_owner_does_without_is_a_warning() -> None:
    finding = look_at_sandbox(Grant(permission=UNCONFINED), MISSING)

    assert finding.state is State.WARNING
    assert "WITHOUT" in finding.text
