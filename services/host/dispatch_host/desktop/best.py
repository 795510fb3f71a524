"""Which desktop this computer has. Called by the wiring."""

from __future__ import annotations

from collections.abc import Mapping

from dispatch_host.desktop.desktop import Desktop
from dispatch_host.desktop.macos import MacOS
from dispatch_host.desktop.scripted import runner
from dispatch_host.desktop.windows import Windows
from dispatch_host.desktop.x11 import X11


def best_desktop(environment: Mapping[str, str], *, platform: str) -> Desktop:
    """Make the desktop of a system (`sys.platform`). Whether one is there, its first call says."""
    match platform:
        case "darwin":
            return MacOS(runner(environment))
        case "win32":
            return Windows(runner(environment))
        case _:
            return X11(environment)
