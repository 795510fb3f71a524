"""A host that the system starts: what is written for it, what the system is asked, and that what is written really starts one."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from configparser import RawConfigParser
from pathlib import Path

import pytest
from dispatch.cli import hoist
from dispatch_host.app import _CONTROL_GRACE_SECONDS
from dispatch_host.at_sign_in.manager import Launchd, Said, Systemd
from dispatch_host.at_sign_in.units import LABEL, STOP_SECONDS, Service, launch_agent, unit
from dispatch_host.cli import app
from dispatch_host.limits import Limits
from dispatch_relay.app import _GRACE_SECONDS, _LAST_CALLS_SECONDS
from dispatch_relay.settings import Settings as RelaySettings
from typer.testing import CliRunner

from tests.support.processes import BIN, Process

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted(DEPLOY.joinpath("systemd").rglob("*.service"))
USUAL = Service(words=["/usr/local/bin/dispatch-host", "run"])
ODD = Service(words=["/a b/$x", "--home", '/c"d\\e%f', "", "run"], environment={"A": "b c", "D": "50%"})


class Asked:
    """Stands for the system's own program; keeps what it was asked."""

    def __init__(self, *bad: str) -> None:
        self.words: list[str] = []
        self._bad = bad

    def __call__(self, words: Sequence[str]) -> Said:
        self.words.append(" ".join(words))
        return Said(1, "it does not want to") if any(one in self.words[-1] for one in self._bad) else Said(0)


class Settings(RawConfigParser):
    """A unit, whose settings are written in capitals, too."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def settings(text: str) -> Settings:
    """Read a unit as far as its grammar is that of an ini file; of a setting that stands several times the last counts."""
    parsed = Settings(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parsed.read_string(text)
    return parsed


def words_of(text: str, environment: dict[str, str]) -> list[str]:
    """Give the words that systemd would start: $NAME is several, ${NAME} is one, $$ and %% are one sign."""
    found: list[str] = []
    for word in shlex.split(settings(text)["Service"]["ExecStart"]):
        if re.fullmatch(r"\$[A-Z_]+", word):
            found += environment[word[1:]].split()
        else:
            whole = re.sub(r"\$\{([A-Z_]+)\}", lambda name: environment[name[1]], word)
            found.append(whole.replace("$$", "$").replace("%%", "%"))
    return found


def test_the_units_that_are_shipped_are_those_that_the_program_writes() -> None:
    assert DEPLOY.joinpath("systemd/user/dispatch-host.service").read_text() == unit(USUAL)
    assert DEPLOY.joinpath("launchd/dispatch.host.plist").read_bytes() == launch_agent(
        USUAL,
        log="/tmp/dispatch-host.log",  # noqa: S108 -- an example's
    )


def test_words_and_values_survive_however_odd_they_are() -> None:
    assert words_of(unit(ODD), {}) == list(ODD.words)
    assert re.findall("^Environment=(.*)$", unit(ODD), re.MULTILINE) == ['"A=b c"', "D=50%%"]
    assert plistlib.loads(launch_agent(ODD, log="x"))["ProgramArguments"] == list(ODD.words)


@pytest.mark.parametrize("word", ["a\nExecStartPre=/bin/evil", "a\0b"])
def test_no_word_adds_a_line_to_the_unit(word: str) -> None:
    with pytest.raises(ValueError, match="can't stand in a unit"):
        unit(Service(words=["/bin/x", word]))
    with pytest.raises(ValueError, match="can't stand in a unit"):
        unit(Service(words=["/bin/x"], environment={"A": word}))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this computer")
@pytest.mark.parametrize("file", [*UNITS, None], ids=lambda file: file.name if file else "odd words")
def test_systemd_finds_nothing_wrong_with_a_unit(file: Path | None, tmp_path: Path) -> None:
    text = unit(ODD) if file is None else file.read_text()
    # It looks whether the program is there.
    text = text.replace("/usr/local/bin/dispatch-", f"{BIN}/dispatch-").replace('"/a b/$$x"', sys.executable)
    placed = tmp_path / (file.name.replace("@", "@ada") if file else "odd.service")
    placed.write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(placed)], capture_output=True, text=True, timeout=60, check=False
    )

    ours = [line for line in done.stderr.splitlines() if placed.name in line]
    assert (ours, done.returncode) == ([], 0), done.stderr


def test_there_is_time_to_drain_before_systemd_kills() -> None:
    relay = RelaySettings().drain_ms / 1_000 + _GRACE_SECONDS + 2 * _LAST_CALLS_SECONDS
    host = 2 * Limits().stop_seconds + _CONTROL_GRACE_SECONDS
    assert relay * 2 < STOP_SECONDS
    assert host * 2 < STOP_SECONDS
    for file in UNITS:
        assert settings(file.read_text())["Service"]["TimeoutStopSec"] == str(STOP_SECONDS)


@pytest.mark.parametrize("name", ["dispatch-pairing.service", "dispatch-relay.service"])
def test_a_service_may_do_nothing_that_it_need_not(name: str) -> None:
    said = settings(DEPLOY.joinpath("systemd", name).read_text())["Service"]

    assert said["NoNewPrivileges"] == said["ProtectHome"] == said["PrivateTmp"] == said["PrivateDevices"] == "yes"
    assert (said["ProtectSystem"], said["StateDirectoryMode"], said["UMask"]) == ("strict", "0700", "0077")
    assert said["CapabilityBoundingSet"] == said["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert said["User"] == said["StateDirectory"] == name.removesuffix(".service")
    assert "WatchdogSec" not in said  # the programs do not speak its protocol
    assert said["Type"] == "exec"


def test_systemd_is_asked_to_take_it_and_to_start_it(tmp_path: Path) -> None:
    asked = Asked()
    manager = Systemd(tmp_path, asked)

    assert manager.install(USUAL).code == 0
    assert manager.file == tmp_path / "systemd/user/dispatch-host.service"
    assert manager.file.read_text() == unit(USUAL)
    assert manager.standing().installed
    assert manager.uninstall().code == 0
    assert not manager.file.exists()
    assert asked.words == [
        *("systemctl --user daemon-reload", "systemctl --user enable dispatch-host.service"),
        *("systemctl --user restart dispatch-host.service", "systemctl --user is-active dispatch-host.service"),
        *("systemctl --user disable --now dispatch-host.service", "systemctl --user daemon-reload"),
    ]


def test_what_systemd_does_not_do_is_said(tmp_path: Path) -> None:
    assert Systemd(tmp_path, Asked("enable")).install(USUAL) == Said(1, "it does not want to")


def test_launchd_is_asked_to_take_it_and_to_start_it(tmp_path: Path) -> None:
    asked = Asked()
    manager = Launchd(tmp_path, 501, asked)

    assert manager.install(USUAL).code == 0
    said = plistlib.loads(manager.file.read_bytes())
    assert (said["Label"], said["RunAtLoad"], said["ExitTimeOut"]) == (LABEL, True, STOP_SECONDS)
    assert said["KeepAlive"] == {"SuccessfulExit": False}
    assert manager.uninstall().code == 0
    assert not manager.file.exists()
    assert asked.words == [
        f"launchctl bootout gui/501/{LABEL}",
        f"launchctl bootstrap gui/501 {tmp_path}/Library/LaunchAgents/{LABEL}.plist",
        f"launchctl bootout gui/501/{LABEL}",
    ]


@pytest.mark.big
async def test_the_words_of_each_unit_really_start_what_they_say_and_sigterm_ends_it(tmp_path: Path) -> None:
    environment = {
        "STATE_DIRECTORY": str(tmp_path / "pairing"),
        "PAIRING_OPTIONS": "--listen 127.0.0.1:0 --relay 127.0.0.1:1",
        "RELAY_OPTIONS": "--listen 127.0.0.1:0 --pairing 127.0.0.1:1",
    }
    pairing, relay = (
        DEPLOY.joinpath("systemd", f"dispatch-{name}.service").read_text() for name in ("pairing", "relay")
    )
    host = unit(Service(words=[sys.executable, "-m", "dispatch_host", "--home", str(tmp_path / "a $home"), "run"]))
    started: list[tuple[str, list[str]]] = [
        ("listening", words_of(pairing, environment)),
        ("listening", words_of(relay, {**environment, "STATE_DIRECTORY": str(tmp_path / "relay")})),
        ("running", words_of(host, {})),
    ]
    processes = []
    try:
        for _, words in started:
            program = Path(words[0]).name
            processes.append(await Process.start(program, *words[1:], env={"PATH": os.environ["PATH"]}))
        for process, (event, _) in zip(processes, started, strict=True):
            await process.event(event)
    finally:
        codes = [await process.stop() for process in processes]
    assert codes == [0, 0, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="asks systemd")
def test_the_commands_write_the_home_and_the_options_and_say_what_became_of_it(tmp_path: Path) -> None:
    """A `systemctl` of the test's own stands first on the path; it keeps what it is asked."""
    asked, systemctl, passphrase = tmp_path / "asked", tmp_path / "bin/systemctl", tmp_path / "pass phrase"
    systemctl.parent.mkdir()
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\n[ "$2" != is-active ]\n')
    systemctl.chmod(0o700)
    passphrase.write_text("words")
    passphrase.chmod(0o600)
    environment = {"PATH": f"{systemctl.parent}:/usr/bin:/bin", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    home = ("--home", str(tmp_path / "home"), "--passphrase-file", str(passphrase))
    before = os.umask(0o022)

    def says(*words: str) -> tuple[int, dict[str, object]]:
        done = CliRunner().invoke(app, hoist(["--json", *words]), env=environment)
        said: dict[str, object] = json.loads(done.stdout)
        return done.exit_code, said

    try:
        file = str(tmp_path / "config/systemd/user/dispatch-host.service")
        assert says("service", "install", *home, "--", "--direct", "off") == (0, {"event": "installed", "file": file})
        text = Path(file).read_text()
        assert words_of(text, {})[1:] == [
            "-m",
            "dispatch_host",
            "--home",
            str(tmp_path / "home"),
            "run",
            "--direct",
            "off",
        ]
        assert f'Environment="DISPATCH_PASSPHRASE_FILE={passphrase}"' in text
        told = {"event": "service", "installed": True, "running": False, "file": file}
        assert says("service", "status", *home) == (0, told)
        assert says("service", "uninstall", *home) == (0, {"event": "uninstalled", "file": file})
        assert not Path(file).exists()
        assert len(asked.read_text().splitlines()) == 6

        systemctl.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
        assert says("service", "install", *home) == (1, {"event": "failed", "file": file, "text": "no bus"})
    finally:
        os.umask(before)
    assert not (tmp_path / "home").exists()
