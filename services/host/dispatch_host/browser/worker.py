"""The process in the browser's sandbox: reads calls, drives Chromium through Playwright, writes replies. Started by chamber.py.

It has no network: it makes the socket that Chromium takes for its proxy, and hands it out to the host. What happens in here may be
a page's doing; what must hold is the host's and the sandbox's business. It ends when its control socket does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from playwright.async_api import Error, async_playwright
from playwright.async_api import TimeoutError as TooLong

from dispatch_host.browser import wire
from dispatch_host.browser.pages import CannotDo, Pages
from dispatch_host.browser.reading import Opened

_FLAGS = (
    *("--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"),
    *("--disable-default-apps", "--disable-sync", "--no-first-run", "--no-pings", "--disable-crash-reporter"),
    # What does not go through the proxy would go nowhere; a page need not wait to find that out.
    *(
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-quic",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    ),
)
_CALL_SECONDS = 40.0
_DOWNLOAD_SECONDS = 600.0
_STUCK = "The page does not answer; the browser was ended and starts anew with the next address."


def main() -> int:
    """Serve one session: CONTROL-DESCRIPTOR FILES-DESCRIPTOR CHROMIUM."""
    control, files, chromium = sys.argv[1:4]
    asyncio.run(_serve(socket.socket(fileno=int(control)), socket.socket(fileno=int(files)), chromium))
    return 0


async def _serve(control: socket.socket, files: socket.socket, chromium: str) -> None:
    way_out = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = way_out.getsockname()[1]
    socket.send_fds(files, [b"!"], [way_out.fileno()])
    way_out.close()
    reader, writer = await asyncio.open_unix_connection(sock=control, limit=wire.LINE_BYTES)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            chromium_sandbox=True,
            args=list(_FLAGS),
            proxy={"server": f"socks5://127.0.0.1:{port}", "bypass": "<-loopback>"},
        )
        context = await browser.new_context(
            service_workers="block", accept_downloads=True, viewport={"width": 1280, "height": 800}, locale="en-US"
        )
        context.set_default_timeout(10_000)
        worker = _Worker(Pages(context, tell=lambda said: writer.write(wire.line(said))), writer, files)
        await worker.pages.begin()
        writer.write(wire.line({"reply": 0, "page": _written(Opened())}))
        while line := await reader.readline():
            if not worker.take(json.loads(line)):
                break
    # Not closed in good order: the sandbox ends with this process, and all of it with that.


class _Worker:
    """One call at a time; answers to what waits come in between."""

    def __init__(self, pages: Pages, writer: asyncio.StreamWriter, files: socket.socket) -> None:
        self.pages = pages
        self._writer = writer
        self._files = files
        self._working: asyncio.Task[None] | None = None

    def take(self, said: Mapping[str, Any]) -> bool:
        """Take a line of the host. Tells whether to go on."""
        if "answer" in said:
            self.pages.answered(said["answer"], yes=said["yes"])
            return True
        self._working = asyncio.get_running_loop().create_task(self._call(said))
        return True

    async def _call(self, said: Mapping[str, Any]) -> None:
        call, do = said["call"], said["do"]
        try:
            if do in ("download", "screenshot"):
                found = await (self._download(said) if do == "download" else self.pages.screenshot())
                name, url, path = found
                _hand_over(path, self._files)
                self._writer.write(wire.line({"reply": call, "file": {"name": name[:1024], "url": url}}))
                return
            async with self.pages.patience(_CALL_SECONDS):
                opened = await getattr(self.pages, do)(**{name: said[name] for name in said.keys() - {"call", "do"}})
            self._writer.write(wire.line({"reply": call, "page": _written(opened)}))
        except CannotDo as failure:
            self._writer.write(wire.line({"reply": call, "failed": str(failure)[:1000]}))
        except (TooLong, TimeoutError):
            self._writer.write(wire.line({"reply": call, "failed": _STUCK, "over": True}))
        except Error as failure:
            self._writer.write(wire.line({"reply": call, "failed": failure.message.splitlines()[0][:500]}))

    async def _download(self, said: Mapping[str, Any]) -> tuple[str, str, str]:
        async with self.pages.patience(_DOWNLOAD_SECONDS):
            return await self.pages.download(ref=said.get("ref"), url=said.get("url"))


def _hand_over(path: str, files: socket.socket) -> None:
    with open(path, "rb") as file:
        socket.send_fds(files, [b"!"], [file.fileno()])
    os.unlink(path)


def _written(opened: Opened) -> dict[str, Any]:
    return {
        "url": opened.url[:16384],
        "title": opened.title[:1024],
        "text": opened.text,
        "part": opened.part,
        "parts": opened.parts,
        "notes": [note[:1000] for note in opened.notes[: wire.MOST_NOTES]],
    }


if __name__ == "__main__":
    sys.exit(main())
