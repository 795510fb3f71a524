"""What the system is told of a host: a user unit for systemd, a LaunchAgent for launchd. Pure: text out of words.

`deploy/systemd` and `deploy/launchd` hold what comes out of it for a host in the usual place.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

UNIT = "dispatch-host.service"
LABEL = "dispatch.host"
STOP_SECONDS = 20
"""How long a host has to end its task, tell the phones and leave: several times what it takes."""
_AGAIN_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How a host is started."""

    words: Sequence[str]
    """The program, by its whole path, and its words."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it needs beside that of the session."""


def unit(service: Service) -> str:
    """Write a user unit of systemd."""
    settings = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in service.environment.items())
    return f"""\
[Unit]
Description=Dispatch host: does the work that your phone sends
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
ExecStart={" ".join(_quoted(word).replace("$", "$$") for word in service.words)}
{settings}Restart=on-failure
RestartSec={_AGAIN_SECONDS}
# Started wrong, or revoked: another try would not help.
RestartPreventExitStatus=2 6
# The host ends its agents itself, and says so to the phones, before the rest of the group is ended.
KillMode=mixed
TimeoutStopSec={STOP_SECONDS}
# Nothing is taken away from it here: it confines each agent itself, and needs namespaces for that (docs/permissions.md).

[Install]
WantedBy=default.target
"""


def launch_agent(service: Service, *, log: str) -> bytes:
    """Write a LaunchAgent; what the host logs goes to the file `log`."""
    said = {
        "Label": LABEL,
        "ProgramArguments": list(service.words),
        "EnvironmentVariables": dict(service.environment),
        "RunAtLoad": True,
        # Again after a crash; not after `dispatch-host stop`.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _AGAIN_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(said, sort_keys=False)


def _quoted(word: str) -> str:
    """Write a word as systemd reads it: quotation marks, backslashes and its own signs are escaped. Raises ValueError."""
    if any(ord(sign) < ord(" ") for sign in word):
        raise ValueError(f"{word!r} can't stand in a unit")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if not escaped or any(sign in escaped for sign in " '\"\\;") else escaped
