"""What is loaded before a program's first word: nothing that the word does not need. A person waits for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(module: str, *words: str) -> set[str]:
    """Import a module in a process of its own, as with a command line; give the names of all that is loaded then."""
    program = (
        "import importlib, sys\n"
        f"sys.argv = ['program', *{words!r}]\n"
        f"module = importlib.import_module({module!r})\n"
        "try:\n"
        "    if sys.argv[1:]: module.main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("program", ["mobile_sim", "dispatch_host", "dispatch_relay", "dispatch_pairing"])
def test_a_command_line_is_read_without_a_library_of_models_of_data(program: str) -> None:
    names = loaded(f"{program}.__main__", "--version")

    assert names.isdisjoint({"pydantic", "rich", "grpc"})


@pytest.mark.parametrize(
    "not_needed",
    [
        "cryptography.x509",  # where certificates are given, or looked for
        "http.client",  # where a model of the phone's own is asked
        "cryptography.hazmat.primitives.serialization",  # where pushes are
        "dispatch.device.thread_proof",  # where a thread is proved
    ],
)
def test_a_phone_that_sends_loads_nothing_of_what_others_of_its_commands_do(not_needed: str) -> None:
    assert not_needed not in loaded("mobile_sim.desk")


def test_a_worker_of_the_assistant_loads_nothing_of_what_its_host_does_beside_it() -> None:
    names = loaded("dispatch_host.agents.builtin.worker")

    assert names.isdisjoint({"asyncio", "structlog", "rich", "grpc", "google.protobuf", "ssl", "sqlite3"})
