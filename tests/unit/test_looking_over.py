"""What operators give to the programs that they start: all mistakes are said at once, and no secret comes by argument."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
import typer
from dispatch.cli import hoist
from dispatch_host.cli import app as host
from dispatch_host.limits import Limits
from dispatch_pairing.cli import app as pairing
from dispatch_pairing.oidc.settings import PREFIX as OIDC
from dispatch_pairing.oidc.settings import SETTINGS as OIDC_SETTINGS
from dispatch_relay.cli import app as relay
from dispatch_relay.settings import Settings
from typer.testing import CliRunner

from tests.support.certificates import Certificates

OPERATIONS = Path(__file__).parents[2].joinpath("docs/operations.md").read_text()

PROGRAMS = {"dispatch-pairing": pairing, "dispatch-relay": relay, "dispatch-host": host}


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """The programs set it for themselves, and here they run in our own process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def started(app: typer.Typer, *words: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Give the exit code and the one event of a start that is looked over and nothing more."""
    done = CliRunner().invoke(app, hoist(["--json", *words]), env=environment)
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done
    said: dict[str, Any] = json.loads(lines[0])
    return done.exit_code, said


PAIRING = (
    *("serve", "--listen", "nonsense", "--relay", "also", "--advertise", "one", "--advertise", "two:2"),
    *("--metrics", "three", "--tls-cert", "gone.pem", "--tls-key", "gone.key", "--services", "127.0.0.1:1"),
    *("--web", "0.0.0.0:1", "--web-origin", "four", "--name", "\x07"),
)
RELAY = (
    *("serve", "--listen", "nonsense", "--pairing", "192.0.2.1:7303", "--advertise", "one", "--metrics", "0.0.0.0:1"),
    *("--services-ca", "gone.pem", "--push-key", "gone.key", "--push-contact", "nobody", "--web", "0.0.0.0:1"),
)
HOST = (
    *("run", "--metrics", "0.0.0.0:1", "--direct", "nonsense", "--browser-networks", "one"),
    *("--passphrase-file", "gone"),
)


@pytest.mark.parametrize(
    ("app", "words", "environment", "mistakes"),
    [
        (
            pairing,
            PAIRING,
            {"DISPATCH_PAIRING_DEVICES": "many", "DISPATCH_PAIRING_GRANT": "1", f"{OIDC}ISSUER": "http://id.example"},
            (
                *("DISPATCH_PAIRING_DEVICES", "DISPATCH_PAIRING_GRANT is not", f"{OIDC}CLIENT_ID", f"{OIDC}ISSUER"),
                *("--listen: 'nonsense'", "--relay: 'also'", "--advertise: 'one'", "--metrics: 'three'", "go together"),
                *("'four' is not an origin", "0.0.0.0:1 is not on this computer", "gone.pem", "gone.key", "--name:"),
                "is no folder",
            ),
        ),
        (
            relay,
            RELAY,
            {"DISPATCH_RELAY_LEASE_MS": "0", "DISPATCH_RELAY_LEASE": "1"},
            (
                *(
                    "DISPATCH_RELAY_LEASE is not",
                    "DISPATCH_RELAY_LEASE_MS",
                    "--listen: 'nonsense'",
                    "--advertise: 'one'",
                ),
                *("0.0.0.0:1 is not on this computer", "wants to see a certificate", "gone.pem", "gone.key"),
                *("'nobody' is no contact", "--web-advertise is needed", "is no folder"),
            ),
        ),
        (
            host,
            HOST,
            {"DISPATCH_HOST_STOP_SECONDS": "soon", "DISPATCH_HOST_FILE_BYTES": "-1"},
            (
                *("DISPATCH_HOST_STOP_SECONDS", "DISPATCH_HOST_FILE_BYTES", "0.0.0.0:1 is not on this computer"),
                *("--direct: 'nonsense'", "--browser-networks: 'one'", "gone", "is no folder"),
            ),
        ),
    ],
    ids=PROGRAMS,
)
@pytest.mark.parametrize("check", [(), ("--check",)], ids=["start", "check"])
def test_every_mistake_of_options_files_and_settings_is_said_at_once(
    app: typer.Typer,
    words: tuple[str, ...],
    environment: dict[str, str],
    mistakes: tuple[str, ...],
    check: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    where = ("--home" if app is host else "--data", "file/below")

    code, said = started(app, *words, *check, *where, **environment)

    assert (code, said["reason"]) == (2, "BAD_REQUEST")
    for mistake in mistakes:
        assert sum(mistake in one for one in said["mistakes"]) >= 1, mistake
    assert len(said["mistakes"]) == len(set(said["mistakes"]))
    assert sorted(os.listdir(tmp_path)) == ["file"]


LEAVES_NO_TRACE = "hunter2"
"""A password in files that are wrong: no mistake may quote it."""

PAIRING_SCALED = ("serve", "--listen", "nonsense", "--metrics", "three", "--relay", "also")
RELAY_SCALED = ("serve", "--listen", "nonsense", "--metrics", "three", "--pairing", "also")


def a_file(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize(
    ("database", "bus", "mistakes"),
    [
        (
            (f"postgresql://ada:{LEAVES_NO_TRACE}@/x", 0o600),
            (f"nats://ada:{LEAVES_NO_TRACE}@127.0.0.1\nhttp://ada:{LEAVES_NO_TRACE}@127.0.0.1", 0o600),
            ("database has no address of a database: it names no host", "bus, line 2: not nats://"),
        ),
        (
            (f"postgresql://ada:{LEAVES_NO_TRACE}@h/x", 0o644),
            (f"nats://ada:{LEAVES_NO_TRACE}@127.0.0.1", 0o640),
            ("database may be read by others: chmod 600", "bus may be read by others: chmod 600"),
        ),
        ((None), (None), ("database can't be read: No such file", "bus can't be read: No such file")),
        (
            ("one two", 0o600),
            ("", 0o600),
            ("database has no address of a database: one line", "bus names no server"),
        ),
    ],
    ids=["nonsense", "read by others", "not there", "not one address"],
)
@pytest.mark.parametrize(
    ("app", "words"), [(pairing, PAIRING_SCALED), (relay, RELAY_SCALED)], ids=["dispatch-pairing", "dispatch-relay"]
)
def test_files_of_database_and_bus_are_looked_over_beside_all_else_and_nothing_in_them_is_said(
    app: typer.Typer,
    words: tuple[str, ...],
    database: tuple[str, int] | None,
    bus: tuple[str, int] | None,
    mistakes: tuple[str, ...],
    tmp_path: Path,
) -> None:
    given = {"--database": tmp_path / "database", "--bus": tmp_path / "bus"}
    for path, content in zip(given.values(), (database, bus), strict=True):
        if content is not None:
            a_file(path, *content)
    files = [word for option, path in given.items() for word in (option, str(path))]

    code, said = started(app, *words, *files, "--data", str(tmp_path / "data"), "--services-cert", "alone.pem")

    assert code == 2
    one_each = (
        "--listen: 'nonsense'",
        "--metrics: 'three'",
        ": 'also'",
        "--services-cert and --services-key",
        *mistakes,
    )
    for mistake in one_each:
        assert sum(mistake in one for one in said["mistakes"]) == 1, (mistake, said["mistakes"])
    assert LEAVES_NO_TRACE not in json.dumps(said)


@pytest.mark.parametrize("option", ["--database", "--bus"])
@pytest.mark.parametrize(
    ("app", "words"), [(pairing, PAIRING_SCALED), (relay, RELAY_SCALED)], ids=["dispatch-pairing", "dispatch-relay"]
)
def test_one_of_database_and_bus_without_the_other_is_looked_over_all_the_same(
    app: typer.Typer, words: tuple[str, ...], option: str, tmp_path: Path
) -> None:
    """Found: the relay said that they go together, and what was wrong with the file at the next start."""
    file = a_file(tmp_path / "file", "nonsense")

    code, said = started(app, *words, option, str(file), "--data", str(tmp_path / "data"))

    assert code == 2
    assert "--database and --bus go together" in said["mistakes"]
    assert sum(str(file) in one for one in said["mistakes"]) == 1, said["mistakes"]


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (pairing, ("serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", "data")),
        (relay, ("serve", "--listen", "127.0.0.1:0", "--pairing", "127.0.0.1:1", "--data", "data")),
        (host, ("run", "--home", "data")),
    ],
    ids=PROGRAMS,
)
def test_a_check_of_what_is_right_starts_nothing_and_makes_nothing(
    app: typer.Typer, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    code, said = started(app, *words, "--check")

    assert (code, said["event"]) == (0, "checked"), said
    assert os.listdir(tmp_path) == []


def test_a_folder_into_which_a_restore_did_not_end_is_not_started_on(tmp_path: Path) -> None:
    (tmp_path / "data" / ".restoring").mkdir(parents=True)

    code, said = started(pairing, "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"))

    assert code == 2
    assert said["mistakes"] == [f"--data: a restore into {tmp_path / 'data'} did not end: empty it, and restore again"]


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_certificates_key_that_others_may_read_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    keys = Certificates(tmp_path).keys()
    words = (
        *("serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--check"),
        *("--tls-cert", str(keys.certificate), "--tls-key", str(keys.key)),
    )
    assert started(pairing, *words)[0] == 0

    keys.key.chmod(0o640)
    code, said = started(pairing, *words)

    assert code == 2
    assert said["mistakes"] == [f"{keys.key} may be read by others: chmod 600 it, and have a new key certified"]


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_providers_secret_that_others_may_read_is_refused_and_not_said(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden\n")
    secret.chmod(0o644)

    code, said = started(
        pairing,
        *("serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")),
        **{f"{OIDC}ISSUER": "https://id.example", f"{OIDC}CLIENT_ID": "x", f"{OIDC}CLIENT_SECRET_FILE": str(secret)},
    )

    assert code == 2
    assert f"{secret} may be read by others: chmod 600 it" in said["detail"]
    assert "hidden" not in json.dumps(said)


# ---- No secret is an argument, nor a setting.

SECRET = re.compile(r"secret|passw|token|credential|private|(^|_)key$|database|^bus$|push_services")
NO_FILES = {"password_stdin"}
"""Says that a secret is read from standard input."""


def parameters(app: typer.Typer) -> Iterator[tuple[str, type[Any]]]:
    """Walk every option and argument of a program: its name, and what is made of it."""
    callbacks = [one.callback for one in (*app.registered_commands, app.registered_callback) if one is not None]
    for callback in filter(None, callbacks):
        for name, hint in get_type_hints(callback).items():
            kinds = [kind for kind in (*get_args(hint), hint) if isinstance(kind, type) and kind is not NoneType]
            yield name, kinds[0] if kinds else object
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from parameters(group.typer_instance)


def secret_options(app: typer.Typer) -> dict[str, type[Any]]:
    found = {name: kind for name, kind in parameters(app) if SECRET.search(name) and name not in NO_FILES}
    assert found
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_option_that_is_named_as_a_secret_is_a_file(name: str) -> None:
    assert set(secret_options(PROGRAMS[name]).values()) == {Path}


def test_every_setting_that_is_named_as_a_secret_is_a_file() -> None:
    settings = [
        *(f"DISPATCH_HOST_{name}" for name in Limits.__dataclass_fields__),
        *(f"DISPATCH_RELAY_{name}" for name in Settings.__dataclass_fields__),
        *(f"{OIDC}{name}" for name in OIDC_SETTINGS),
        *re.findall(r"`(DISPATCH_[A-Z_]+)`", OPERATIONS),
    ]

    secrets = [name for name in settings if re.search(r"SECRET|PASSPHRASE|PASSWORD|TOKEN|_KEY", name.upper())]

    assert secrets
    assert [name for name in secrets if not name.endswith("_FILE")] == []


def test_the_document_lists_every_file_that_holds_a_secret() -> None:
    listed = OPERATIONS.partition("\n## Secrets\n")[2].partition("\n## ")[0]

    for app in PROGRAMS.values():
        for option in secret_options(app):
            spelled = {"passphrase": "passphrase-file"}.get(option, option.replace("_", "-"))
            assert f"`--{spelled}" in listed
    for setting in (f"{OIDC}CLIENT_SECRET_FILE", "DISPATCH_PASSPHRASE_FILE", "DISPATCH_HOST_LLM_KEY_FILE"):
        assert f"`{setting}`" in listed
