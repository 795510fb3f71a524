"""What the doctor finds of the agents and of what keeps them in: each looks at one thing and gives a finding."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.doctor import links
from dispatch.doctor.aside import aside
from dispatch.doctor.chain import Finding, broken, ok, warning
from dispatch.plain import one_line

from dispatch_host.agents.registry import Listed
from dispatch_host.browser.chamber import NoBrowser
from dispatch_host.desktop.desktop import Desktop, NoDesktop
from dispatch_host.permissions.permission import Grant
from dispatch_host.sandbox.probe import Found as SandboxFound
from dispatch_host.scope import Folder


def look_at_agent(chosen: Listed) -> Finding:
    """See whether an agent can do tasks."""
    if chosen.why_not:
        return broken(
            f"{chosen.name} can't be used: {chosen.why_not}",
            "Set it right, or choose another: dispatch-host agent use.",
            reason=errors.AgentUnavailable.reason,
        )
    return ok(f"{chosen.name} does the tasks")


def look_at_sandbox(grant: Grant, found: SandboxFound) -> Finding:
    """See how programs would be started: in the sandbox, as its owner accepted, or not at all."""
    if found.programs is not None:
        return ok("programs are started in the sandbox")
    if grant.permission.without_sandbox:
        return warning(
            f"programs run WITHOUT a sandbox: {found.why}",
            f"You accepted that. {found.advice} To end it: dispatch-host permissions revoke terminal.",
        )
    return broken(f"there is no terminal: {found.why}", found.advice, reason=errors.SandboxUnavailable.reason)


def look_at_connectors(connectors: Sequence[pb.Connector]) -> Finding:
    """See whether one is written wrong or broke."""
    wrong = [mistake for one in connectors for mistake in one.mistakes]
    if wrong:
        # The others work, and so does the way to the phone.
        return warning(
            one_line(f"{wrong[0]}; {len(wrong)} in all" if len(wrong) > 1 else wrong[0], 300),
            "Mend connectors.json in the home: dispatch-host connectors lists every mistake.",
        )
    for one in connectors:
        if one.state == "broken":
            return warning(f"{one.name}: {one.text}", f"See what it says: dispatch-host connectors check {one.name}.")
    there = [one for one in connectors if one.state != "disabled"]
    return ok(f"{len(there)} written" if there else "there are none")


async def look_at_browser(probe: Callable[[], Awaitable[None]]) -> Finding:
    """Start a browser, and end it: `probe` is that of a Browser."""
    try:
        await probe()
    except NoBrowser as missing:
        advice = missing.advice or "See docs/browser.md."
        reason = errors.of_word(missing.reason).reason
        return broken(f"no web page can be opened: {missing.why}", advice, reason=reason)
    return ok("web pages are opened in the sandbox")


async def look_at_desktop(desktop: Desktop) -> Finding:
    """List the windows of the desktop."""
    try:
        windows = await desktop.windows()
    except NoDesktop as missing:
        advice = missing.advice or "See docs/desktop.md."
        return broken(f"the desktop can't be reached: {missing.why}", advice, reason=errors.ToolUnavailable.reason)
    return ok(f"{len(windows)} windows are open")


async def answered(
    folder: Folder, look: Callable[[Folder], Finding], *, seconds: float = links.LOOK_SECONDS
) -> Finding:
    """Look at a folder, which may lie on a disk that never answers."""
    try:
        return await aside(lambda: look(folder), seconds=seconds)
    except TimeoutError:
        return broken(
            f"its disk did not answer in {seconds:g} s",
            "Mount it again, or take the approval away: dispatch-host folders remove.",
            reason=errors.FolderNotApproved.reason,
        )


def look_at_folder(folder: Folder) -> Finding:
    """See whether a folder is still what was approved: there, itself, and open to this user as far as agents may go."""
    path = folder.path
    again = "Bring it back, or take the approval away: dispatch-host folders remove."
    try:
        if path.resolve(strict=True) != path or not path.is_dir():
            return broken("something else is there now", again, reason=errors.FolderNotApproved.reason)
        os.listdir(path)
    except FileNotFoundError:
        return broken("it is gone", again, reason=errors.FolderNotApproved.reason)
    except OSError as failure:
        return broken(
            f"it can't be read: {failure.strerror}",
            "Give this user the right to read it.",
            reason=errors.FolderNotApproved.reason,
        )
    if not folder.writable:
        return ok("agents may read it")
    if not os.access(path, os.W_OK | os.X_OK) or os.statvfs(path).f_flag & os.ST_RDONLY:
        return broken(
            "agents may change it, and this user can't write there",
            "Give this user the right to write there, or approve it for reading only: dispatch-host folders add.",
            reason=errors.FolderNotApproved.reason,
        )
    return ok("agents may read and change it")
