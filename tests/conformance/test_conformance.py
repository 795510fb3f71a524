"""Our phones in other languages are checked by the same corpus as anybody's.

All vectors, and all scenarios against the real services.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from pathlib import Path

import pytest

from tests.conformance.client import ClientEnded
from tests.conformance.clients import BUILDERS, Registered, somebodys
from tests.conformance.corpus import NOT_KNOWN, PASSED, failures, scenarios, show, vectors
from tests.conformance.questions import questions
from tests.conformance.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(900)  # who is second waits until the first has built both phones


@pytest.fixture(scope="session", params=sorted(BUILDERS))
def ours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Build one of our phones, once for all processes of a run: two that built it side by side took files from each other."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    built = folder / f"phone-{request.param}"
    with (folder / "phones.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when it is closed
        if built.exists():
            name, carrier, *command = json.loads(built.read_text())
            return Registered(name, tuple(command), carrier)
        phone = asyncio.run(BUILDERS[request.param]())
        built.write_text(json.dumps([phone.name, phone.carrier, *phone.command]))
        return phone


async def test_our_phones_compute_what_the_vectors_say(ours: Registered) -> None:
    results = await vectors(ours)

    show(ours.name, results)
    assert failures(results) == []
    assert NOT_KNOWN not in {result.result for result in results}


async def test_our_phones_do_what_every_phone_has_to(ours: Registered, tmp_path: Path) -> None:
    results = await scenarios(ours, tmp_path)

    show(ours.name, results)
    assert failures(results, expected=len(SCENARIOS)) == []


PARROT = (
    "import sys, json\nfor line in sys.stdin: print(json.dumps({'done': json.loads(line)['number'], **%s}), flush=True)"
)


async def test_a_client_that_answers_wrongly_fails_and_one_that_knows_nothing_passes_nothing() -> None:
    wrong = await vectors(somebodys((sys.executable, "-c", PARROT % "{'bytes': '00'}"), "grpc"))
    ignorant = await vectors(
        somebodys((sys.executable, "-c", PARROT % "{'unknown': json.loads(line)['what']}"), "grpc")
    )

    assert PASSED not in {result.result for result in wrong}
    assert len(failures(wrong)) == len(wrong)
    assert {result.result for result in ignorant} == {NOT_KNOWN}


async def test_a_client_that_ends_is_said_to_have() -> None:
    with pytest.raises(ClientEnded):
        await vectors(somebodys((sys.executable, "-c", ""), "grpc"))


def test_the_page_for_authors_names_every_scenario_and_every_question() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text("utf-8")

    assert [one.__name__ for one in SCENARIOS if f"\n- {one.__name__.replace('_', ' ')}\n" not in page] == []
    assert [what for what in {question.what for question in questions()} if f"\n| `{what}` |" not in page] == []
