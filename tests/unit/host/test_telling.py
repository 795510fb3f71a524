"""What a host's command line shows of a phone's words and of what stood in files."""

from __future__ import annotations

from dispatch.api.host.v1 import host_pb2 as host
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.plain import plain
from dispatch_host import telling

HOSTILE = "list\x1b]0;owned\x07\x9b31m \u202efdp.exe"


def test_the_thread_on_the_host_commands_no_terminal() -> None:
    _, line = telling.event(thread.Event(result_text=thread.ResultText(text=HOSTILE)).SerializeToString())

    assert "list" in line
    assert plain(line) == line


def test_the_status_on_the_host_commands_no_terminal() -> None:
    task = host.TaskStatus(task_id=bytes(16), text=f"{HOSTILE}\nmore", phone_name="phone")
    folder = host.Folder(path=f"/srv/{HOSTILE}")
    found = host.GetStatusResponse(running_task=task, waiting_tasks=[task], folders=[folder])

    lines = list(telling.status_lines(found))

    assert sum("list" in line for line in lines) == 3
    assert all(plain(line) == line for line in lines)
    assert not any("more" in line for line in lines)
