"""What a host's command line shows of a phone's words and of what stood in files."""

from __future__ import annotations

import os

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as host
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.cli import Console
from dispatch.ids import PairId
from dispatch.plain import plain
from dispatch.words import ENGLISH
from dispatch_host import phone_words, telling
from dispatch_host.journal.values import Pairing
from dispatch_host.page import shown
from dispatch_host.run_command import told_on

HOSTILE = "list\x1b]0;owned\x07\x9b31m \u202efdp.exe"


def test_the_thread_on_the_host_commands_no_terminal() -> None:
    _, line = telling.event(thread.Event(result_text=thread.ResultText(text=HOSTILE)).SerializeToString())

    assert "list" in line
    assert plain(line) == line


def test_the_status_on_the_host_commands_no_terminal() -> None:
    task = host.TaskStatus(task_id=bytes(16), text=f"{HOSTILE}\nmore", phone_name="phone")
    folder = thread.Permission(kind=thread.PERMISSION_KIND_FOLDER, name=f"/srv/{HOSTILE}")
    rule = thread.AlwaysRule(rule=HOSTILE, by=HOSTILE)
    question = thread.Question(text=HOSTILE, preview=HOSTILE, choices=[HOSTILE])
    found = host.GetStatusResponse(
        running_task=task,
        waiting_tasks=[task],
        permissions=thread.Permissions(permissions=[folder], always=[rule]),
        questions=[host.OpenQuestion(task_text=HOSTILE, phone_name=HOSTILE, question=question)],
    )

    lines = list(telling.status_lines(found))

    assert sum("list" in line for line in lines) == 5
    assert all(plain(line) == line for line in lines)
    assert not any("more" in line for line in lines)


def test_questions_and_the_audit_log_command_no_terminal() -> None:
    question = thread.Question(text=HOSTILE, preview=f"{HOSTILE}\n{HOSTILE}", choices=[HOSTILE])
    asked = host.OpenQuestion(task_id=bytes(16), task_text=HOSTILE, phone_name=HOSTILE, question=question)
    used = host.ReadAuditResponse(permission=HOSTILE, subject=HOSTILE, by=HOSTILE, verdict=host.AUDIT_VERDICT_DENIED)

    lines = [*telling.question_lines(asked), telling.audit_words(used)]

    assert sum("list" in line for line in lines) == 6
    assert all(plain(line) == line for line in lines)


def test_a_choice_is_seen_to_be_in_the_agents_own_words_wherever_it_is_asked() -> None:
    for digest, said in ((b"", "The agent asks: May I?"), (bytes(32), "May I?")):
        question = thread.Question(text="May I?", action_digest=digest)
        asked = host.OpenQuestion(task_id=bytes(16), question=question)

        status = telling.status_lines(host.GetStatusResponse(questions=[asked]))
        listed = telling.listed_lines(host.TaskStatus(task_id=bytes(16)), asked)
        _, line = telling.event(thread.Event(question=question).SerializeToString())

        assert f"  asks: {said} (dispatch-host questions)" in status
        assert f"       asks: {said} (dispatch-host answer)" in listed
        assert line.endswith(f"  ? {said}")


def test_the_status_on_the_host_warns_of_keys_that_are_plain() -> None:
    plain_keys, sealed = (
        "\n".join(telling.status_lines(host.GetStatusResponse(key_store=kind)))
        for kind in ("plain file", "sealed file")
    )

    assert "keys: plain file" in plain_keys
    assert "--passphrase-file FILE seals them" in plain_keys
    assert "keys: sealed file" in sealed
    assert "--passphrase-file" not in sealed


def test_a_host_goes_on_when_nobody_reads_any_more_what_it_says() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pairing = Pairing(
        pair_id=PairId(bytes(16)),
        phone_key=b"",
        phone_name="pocket",
        attestation=b"",
        phone_signature=b"",
        host_signature=b"",
    )
    out = os.fdopen(writing, "w")
    told = told_on(Console(as_json=True, out=out, colour=False))

    told.running("")
    told.connected(pairing)
    told.disconnected(pairing, Reason.REASON_NO_NETWORK)
    told.over(pairing)

    with pytest.raises(BrokenPipeError):
        out.close()


def test_a_code_that_has_to_wait_says_for_how_long() -> None:
    waits = host.PairWarning(reason=Reason.REASON_RATE_LIMITED, retry_after_ms=90_001)
    seen = host.PairWarning(reason=Reason.REASON_OFFER_CLAIMED)

    assert phone_words.pairing_warned(waits).advice == "The next code comes in 2 min."
    assert phone_words.pairing_warned(seen).advice == "Press Refuse on the computer and start again."
    assert shown.pairing(host.PairResponse(warning=waits), ENGLISH)[1]["code_over"]
    assert not shown.pairing(host.PairResponse(warning=seen), ENGLISH)[1]["code_over"]


def test_phones_of_the_same_name_are_told_apart() -> None:
    phones = [
        host.PairingStatus(pair_id=bytes([number]) * 16, phone_name=name, connected=True)
        for number, name in ((1, "pocket"), (2, "tablet"), (3, "pocket"))
    ]
    found = host.GetStatusResponse(running=True, pairings=phones)

    names = ["pocket (01010101)", "tablet", "pocket (03030303)"]
    lines = list(telling.status_lines(found))
    assert all(any(line.strip().startswith(f"{name}: ") for line in lines) for name in names)
    assert telling.connection_words(found)[0] == f"Connected to {', '.join(names)}"
    assert [one["name"] for one in shown.state(found, [], ENGLISH)["phones"]] == names
