"""An external agent on the official SDK, as a program of its own: it does what its prompt says, also what no agent should do.

A prompt that begins with `script:` is a JSON list of steps, each an object with one key; what a step gives is told as one line
of JSON. Any other prompt is answered by repeating it. Runs alone, in the sandbox: nothing of this repository is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acp import RequestError, run_agent, schema, update_agent_message_text, update_agent_thought_text
from acp.interfaces import Client

OPTIONS = {
    "allow_once": "Yes, this time",
    "allow_always": "Yes, and do not ask again",
    "reject_once": "No",
}


def new_session_in(folder: Path) -> str:
    """Keep a session that can be loaded again."""
    name = f"session-{len(list(folder.iterdir()))}"
    (folder / name).write_text("[]")
    return name


def wrote(data: bytes) -> None:
    """Write past the protocol, and wait until all of it is written."""
    os.set_blocking(1, True)
    with open(1, "wb", closefd=False) as out:
        out.write(data)


def tried(call: Callable[[], Any]) -> Any:
    """Do something that the system may refuse."""
    try:
        return call()
    except OSError as error:
        return {"failed": error.strerror}


class Scripted:
    """The agent's side of the protocol."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._client: Client
        self._cwd = Path()
        self._servers: list[Any] = []
        self._server: asyncio.subprocess.Process | None = None
        self._cancelled = asyncio.Event()

    def on_connect(self, conn: Client) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> schema.InitializeResponse:
        if self._options.hang:
            await asyncio.Event().wait()
        if self._options.garbage:
            print("this is no protocol", flush=True)  # noqa: T201 -- that is what it is for
        return schema.InitializeResponse(
            protocol_version=self._options.version or protocol_version,
            agent_capabilities=schema.AgentCapabilities(
                load_session=self._options.sessions is not None,
                prompt_capabilities=schema.PromptCapabilities(embedded_context=True, image=True),
                session_capabilities=schema.SessionCapabilities(
                    additional_directories=schema.SessionAdditionalDirectoriesCapabilities()
                ),
            ),
            auth_methods=[schema.AuthMethodAgent(id="browser", name="Log in with a browser")],
        )

    async def new_session(self, cwd: str, mcp_servers: Any = None, **_: Any) -> schema.NewSessionResponse:
        if self._options.login:
            raise RequestError.auth_required()
        self._cwd = Path(cwd)
        self._servers = mcp_servers or []
        name = "session-0"
        if self._options.sessions is not None:
            name = new_session_in(Path(self._options.sessions))
        return schema.NewSessionResponse(session_id=name)

    async def load_session(
        self, cwd: str, session_id: str, mcp_servers: Any = None, **_: Any
    ) -> schema.LoadSessionResponse:
        kept = Path(self._options.sessions) / session_id
        if not kept.exists():
            raise RequestError.resource_not_found(session_id)
        self._cwd, self._servers = Path(cwd), mcp_servers or []
        for said in json.loads(kept.read_text()):
            await self._say(session_id, f"(again) {said}")
        return schema.LoadSessionResponse()

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> schema.PromptResponse:
        text = next(block.text for block in prompt if block.type == "text")
        extra = [block.type for block in prompt[1:]]
        if self._options.sessions is not None:
            kept = Path(self._options.sessions) / session_id
            kept.write_text(json.dumps([*json.loads(kept.read_text()), text]))
            extra += [f"remembers {len(json.loads(kept.read_text()))}"]
        now = text.rpartition("Now the person says:\n\n")[2]  # the thread so far may stand before it
        if not now.startswith("script:"):
            await self._say(session_id, f"You said: {text}" + (f" with {extra}" if extra else ""))
            return schema.PromptResponse(stop_reason="end_turn")
        for step in json.loads(now.removeprefix("script:")):
            ((do, given),) = step.items()
            if do == "stop":
                return schema.PromptResponse(stop_reason=given)
            try:
                told = await getattr(self, f"do_{do}")(session_id, given)
            except RequestError as error:
                told = {"error": str(error), "code": error.code}
            if told is not None:
                await self._say(session_id, json.dumps(told) + "\n")
        return schema.PromptResponse(stop_reason="end_turn")

    async def cancel(self, session_id: str, **_: Any) -> None:
        if self._options.sessions is not None:
            (Path(self._options.sessions) / "cancelled").write_text(session_id)
        self._cancelled.set()

    async def do_say(self, session_id: str, text: str) -> None:
        await self._say(session_id, text)

    async def do_think(self, session_id: str, text: str) -> None:
        await self._client.session_update(session_id=session_id, update=update_agent_thought_text(text))

    async def do_call(self, session_id: str, given: dict[str, Any]) -> None:
        update = schema.ToolCallStart.model_validate({"sessionUpdate": "tool_call", **given})
        await self._client.session_update(session_id=session_id, update=update)

    async def do_fail(self, session_id: str, call_id: str) -> None:
        update = schema.ToolCallProgress(session_update="tool_call_update", tool_call_id=call_id, status="failed")
        await self._client.session_update(session_id=session_id, update=update)

    async def do_plan(self, session_id: str, entries: dict[str, Any]) -> None:
        planned = [
            schema.PlanEntry(content=content, priority="medium", status=status) for content, status in entries.items()
        ]
        await self._client.session_update(
            session_id=session_id, update=schema.AgentPlanUpdate(session_update="plan", entries=planned)
        )

    async def do_ask(self, session_id: str, given: dict[str, Any]) -> Any:
        kinds = given.pop("options", list(OPTIONS))
        reply = await self._client.request_permission(
            session_id=session_id,
            tool_call=schema.ToolCallUpdate.model_validate({"toolCallId": "call-1", **given}),
            options=[
                schema.PermissionOption(option_id=kind, name=OPTIONS.get(kind, kind), kind=kind) for kind in kinds
            ],
        )
        return reply.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def do_read(self, session_id: str, path: str) -> Any:
        return {"read": (await self._client.read_text_file(session_id=session_id, path=path)).content}

    async def do_read_elsewhere(self, session_id: str, path: str) -> Any:
        return await self.do_read(f"not {session_id}", path)

    async def do_lines(self, session_id: str, given: list[Any]) -> Any:
        path, line, limit = given
        found = await self._client.read_text_file(session_id=session_id, path=path, line=line, limit=limit)
        return {"read": found.content}

    async def do_write(self, session_id: str, given: list[str]) -> Any:
        path, content = given
        await self._client.write_text_file(session_id=session_id, path=path, content=content)
        return {"written": path}

    async def do_run(self, session_id: str, argv: list[str]) -> Any:
        return await self.do_run_in(session_id, [None, argv])

    async def do_run_in(self, session_id: str, given: list[Any]) -> Any:
        folder, (command, *args) = given
        started = await self._client.create_terminal(session_id=session_id, command=command, args=args, cwd=folder)
        terminal = started.terminal_id
        end = await self._client.wait_for_terminal_exit(session_id=session_id, terminal_id=terminal)
        said = await self._client.terminal_output(session_id=session_id, terminal_id=terminal)
        await self._client.release_terminal(session_id=session_id, terminal_id=terminal)
        return {"output": said.output, "code": end.exit_code}

    async def do_start(self, session_id: str, argv: list[str]) -> Any:
        command, *args = argv
        await self._client.create_terminal(session_id=session_id, command=command, args=args)
        return None

    async def do_open(self, session_id: str, path: str) -> Any:
        del session_id
        return tried(lambda: {"opened": Path(path).read_text()})

    async def do_own_write(self, session_id: str, path: str) -> Any:
        del session_id
        return tried(lambda: {"written": Path(path).write_text("mine")})

    async def do_variable(self, session_id: str, name: str) -> Any:
        del session_id
        return {name: os.environ.get(name)}

    async def do_servers(self, session_id: str, _: Any) -> Any:
        del session_id
        return [server.name for server in self._servers]

    async def do_tools(self, session_id: str, _: Any) -> Any:
        del session_id
        return [tool["name"] for tool in (await self._told("tools/list", {}))["tools"]]

    async def do_tool(self, session_id: str, given: list[Any]) -> Any:
        """Call a tool of its first server."""
        del session_id
        name, arguments = given
        answer = await self._told("tools/call", {"name": name, "arguments": arguments})
        return {"failed" if answer["isError"] else "text": answer["content"][0]["text"]}

    async def _told(self, method: str, params: Any) -> Any:
        """Ask its first server, which it starts when it is asked first. Lines, without the SDK: that takes a second to load."""
        if self._server is None:
            server = self._servers[0]
            self._server = await asyncio.create_subprocess_exec(
                server.command, *server.args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**24
            )
            hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
            await self._asked(self._server, {"id": 0, "method": "initialize", "params": hello})
            await self._asked(self._server, {"method": "notifications/initialized"})
        return (await self._asked(self._server, {"id": 1, "method": method, "params": params}))["result"]

    async def _asked(self, server: asyncio.subprocess.Process, said: dict[str, Any]) -> Any:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **said}).encode() + b"\n")
        await server.stdin.drain()
        return json.loads(await server.stdout.readline()) if "id" in said else None

    async def do_where(self, session_id: str, _: Any) -> Any:
        del session_id
        return str(self._cwd)

    async def do_hang(self, session_id: str, _: Any) -> None:
        await self._say(session_id, "waiting")
        await self._cancelled.wait()

    async def do_await(self, session_id: str, path: str) -> None:
        """Go on once there is a file of this path."""
        del session_id
        while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240 -- a file of the test's, which is another process
            await asyncio.sleep(0.02)

    async def do_leave(self, session_id: str, word: str) -> None:
        """Start what a session of its own, and a word to find it by, should not let outlive this."""
        del session_id
        if os.fork() == 0:
            os.setsid()
            os.execvp(sys.executable, [sys.executable, "-c", "__import__('time').sleep(600)", word])  # noqa: S606 -- its own

    async def do_exit(self, session_id: str, code: int) -> None:
        del session_id
        print("something is wrong with me", file=sys.stderr, flush=True)  # noqa: T201 -- a complaint
        os._exit(code)

    async def do_raw(self, session_id: str, line: str) -> None:
        del session_id
        wrote(line.encode("utf-8", "surrogatepass") + b"\n")

    async def do_huge(self, session_id: str, size: int) -> None:
        del session_id
        wrote(b'{"x": "' + b"x" * size)
        await asyncio.Event().wait()

    async def do_flood(self, session_id: str, count: int) -> None:
        for number in range(count):
            await self._client.session_update(
                session_id=session_id,
                update=schema.ToolCallStart(
                    session_update="tool_call", tool_call_id=f"call-{number}", title=f"number {number}"
                ),
            )

    async def _say(self, session_id: str, text: str) -> None:
        await self._client.session_update(session_id=session_id, update=update_agent_message_text(text))


def main() -> None:
    """Run until the end of standard input."""
    options = argparse.ArgumentParser()
    options.add_argument("--sessions")
    options.add_argument("--version", type=int)
    for word in ("hang", "garbage", "login"):
        options.add_argument(f"--{word}", action="store_true")
    warnings.simplefilter("ignore")
    asyncio.run(run_agent(Scripted(options.parse_args())))  # type: ignore[arg-type] # without what it never does


if __name__ == "__main__":
    main()
