"""A desktop without a screen: Xvfb with a window manager and a menu. `.ci/run` installs it and names this folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dispatch_host.desktop.desktop import NoDesktop
from dispatch_host.desktop.x11 import X11

from tests.support.waiting import until, until_so

PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox", "xdg-open": "xdg-utils"}
WINDOW = Path(__file__).with_name("window.py")
MIME = "text/x-dispatch-test"


@dataclass(frozen=True, slots=True)
class Session:
    """A person's session."""

    environment: Mapping[str, str]
    home: Path

    @property
    def desktop(self) -> X11:
        return X11(self.environment)

    def puts_into_menu(self, name: str, command: str, mime: str = "") -> None:
        """Add an application to the menu."""
        folder = self.home / "data" / "applications"
        folder.mkdir(parents=True, exist_ok=True)
        file = f"{name.lower()}.desktop"
        entry = f"[Desktop Entry]\nType=Application\nName={name}\nExec={command}\nStartupWMClass={name}\n"
        (folder / file).write_text(entry + (f"MimeType={mime};\n" if mime else ""))
        if mime:
            (folder / "mimeapps.list").write_text(f"[Default Applications]\n{mime}={file}\n")
            (self.home / "config" / "mimeapps.list").write_text(f"[Default Applications]\n{mime}={file}\n")

    def program(self, name: str) -> str:
        """Give the command of the tests' own application."""
        return f"{sys.executable} {WINDOW} {name}"


@asynccontextmanager
async def running(*argv: str, environment: Mapping[str, str], pass_fds: tuple[int, ...] = ()) -> AsyncIterator[None]:
    """Hold a process, in a group of its own."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=environment,
        pass_fds=pass_fds,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def opens(stack: AsyncExitStack, session: Session, name: str, document: str = "") -> None:
    """Open an application, and wait for its window."""
    argv = [*session.program(name).split(), *([document] if document else [])]
    await stack.enter_async_context(running(*argv, environment=session.environment))

    async def there() -> bool:
        return any(window.app == name for window in await session.desktop.windows())

    await until_so(there)


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: apt-get install {package}")
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    reading, writing = os.pipe()
    # Without a reset: else it begins anew whenever its last client leaves, and takes a window manager that just comes with it.
    server = ("Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_DATA_DIRS": "/usr/share",
        "XDG_CONFIG_HOME": str(home / "config"),
    }
    async with running(*server, environment=environment, pass_fds=(writing,)):
        os.close(writing)
        with os.fdopen(
            reading
        ) as said:  # the whole line: it comes in pieces, and the server ends when nobody hears the rest
            number = (await asyncio.to_thread(said.readline)).strip()
        environment["DISPLAY"] = f":{number}"
        session = Session(environment, home)
        async with running("openbox", "--sm-disable", environment=environment):
            await until_so(lambda: _there(session.desktop))
            yield session


async def _there(desktop: X11) -> bool:
    try:
        await desktop.windows()
    except NoDesktop:
        return False
    return True


def processes(mark: str) -> list[int]:
    """List the processes with this in their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.fixture
async def ends_with_the_test(session: Session) -> AsyncIterator[None]:
    """Kill what was opened, which outlives whoever opened it: their display ends anyway, and they with it."""
    yield
    mine = str(session.home)
    for pid in processes(mine):
        with contextlib.suppress(ProcessLookupError):  # it waited for one of those that were killed before it
            os.kill(pid, signal.SIGKILL)
    await until(lambda: not processes(mine))
