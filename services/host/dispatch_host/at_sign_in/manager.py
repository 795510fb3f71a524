"""Puts a host's unit where the system looks for it, and has the system take it: systemd of a user, or launchd.

Called by `service_cli`. What runs the system's own program is an argument: tests stand in for it and keep what was asked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dispatch.device.home import write_private
from dispatch.storing import storing

from dispatch_host.at_sign_in import units
from dispatch_host.at_sign_in.units import LABEL, UNIT, Service

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """What the system's program answered."""

    code: int
    words: str = ""


Ask = Callable[[Sequence[str]], Said]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a service stands."""

    installed: bool
    running: bool
    file: Path


class Manager(Protocol):
    """Starts programs when a person signs in."""

    @property
    def file(self) -> Path:
        """Where the service is written."""

    def install(self, service: Service) -> Said:
        """Write it, have it taken, and start it; gives what the system said where that failed. Raises StoreFailed, ValueError."""

    def uninstall(self) -> Said:
        """Stop it, and forget it. Raises StoreFailed."""

    def standing(self) -> Standing:
        """Say how it stands."""


def ask(words: Sequence[str]) -> Said:
    """Run a program of the system to its end."""
    try:
        done = subprocess.run(  # noqa: S603 -- words of our own
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        return Said(1, f"{words[0]}: {getattr(failure, 'strerror', '') or type(failure).__name__}")
    return Said(done.returncode, (done.stdout + done.stderr).strip())


@dataclass(frozen=True, slots=True)
class Systemd:
    """The user's systemd. A `Manager`."""

    configuration: Path
    """The user's folder of settings, `~/.config`."""
    ask: Ask = ask

    @property
    def file(self) -> Path:
        return self.configuration / "systemd" / "user" / UNIT

    def install(self, service: Service) -> Said:
        text = units.unit(service)
        with storing(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_private(self.file, text.encode())
        return _first_bad(self.ask, ("daemon-reload",), ("enable", UNIT), ("restart", UNIT))

    def uninstall(self) -> Said:
        said = self.ask(_systemctl("disable", "--now", UNIT)) if self.file.exists() else Said(0)
        with storing(self.file):
            self.file.unlink(missing_ok=True)
        return said if said.code else self.ask(_systemctl("daemon-reload"))

    def standing(self) -> Standing:
        active = self.ask(_systemctl("is-active", UNIT))
        return Standing(installed=self.file.exists(), running=active.code == 0, file=self.file)


@dataclass(frozen=True, slots=True)
class Launchd:
    """The user's launchd, on macOS. A `Manager`. Written by its documents, and not run yet."""

    home: Path
    user: int
    ask: Ask = ask

    @property
    def file(self) -> Path:
        return self.home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def install(self, service: Service) -> Said:
        log = self.home / "Library" / "Logs" / "dispatch-host.log"
        text = units.launch_agent(service, log=str(log))
        with storing(self.file):
            for folder in (self.file.parent, log.parent):
                folder.mkdir(parents=True, exist_ok=True)
            write_private(self.file, text)
        self.ask(("launchctl", "bootout", f"gui/{self.user}/{LABEL}"))  # an earlier one; it fails where there is none
        return self.ask(("launchctl", "bootstrap", f"gui/{self.user}", str(self.file)))

    def uninstall(self) -> Said:
        said = self.ask(("launchctl", "bootout", f"gui/{self.user}/{LABEL}")) if self.file.exists() else Said(0)
        with storing(self.file):
            self.file.unlink(missing_ok=True)
        return said

    def standing(self) -> Standing:
        found = self.ask(("launchctl", "print", f"gui/{self.user}/{LABEL}"))
        return Standing(
            installed=self.file.exists(), running=found.code == 0 and "state = running" in found.words, file=self.file
        )


def _systemctl(*words: str) -> tuple[str, ...]:
    return ("systemctl", "--user", *words)


def _first_bad(ask: Ask, *all_words: Sequence[str]) -> Said:
    for words in all_words:
        said = ask(_systemctl(*words))
        if said.code:
            return said
    return Said(0)
