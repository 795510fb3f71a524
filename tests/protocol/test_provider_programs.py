"""`login --provider` of the real programs, against a real pairing service and a provider of the tests' own."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_pairing.logins import link

from tests.support.pairing_service import add_account, store_of
from tests.support.processes import BIN, Event, run
from tests.support.tiny_provider import CLIENT_ID, CLIENT_SECRET, TinyProvider
from tests.support.world import PASSWORD, World, scrape

PREFIX = "DISPATCH_PAIRING_OIDC_"


@pytest.fixture
def provider() -> Iterator[TinyProvider]:
    with TinyProvider(codes={"interval": 1}) as provider:
        yield provider


@pytest.fixture
async def world(tmp_path: Path, provider: TinyProvider) -> AsyncIterator[World]:
    secret = tmp_path / "client-secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    said = {"ISSUER": provider.issuer, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET_FILE": str(secret), "SIGN_UP": "open"}
    async with World(tmp_path, pairing_env={PREFIX + name: text for name, text in said.items()}) as world:
        await world.start_pairing()
        yield world


@pytest.mark.big
@pytest.mark.parametrize("program", ["dispatch-host", "dispatch-phone"])
async def test_a_device_shows_a_code_waits_and_is_signed_in(world: World, provider: TinyProvider, program: str) -> None:
    signing_in = await world.start(
        program, "login", "--home", world.home("device"), "--server", world.server, "--name", "mine", "--provider"
    )
    code = await signing_in.event("enter_code")
    assert code["url"] == f"{provider.issuer}/enter"
    assert code["url_complete"] == f"{code['url']}?code={code['code']}"
    assert code["expires_at"] > provider.now_ms()

    provider.says = ""

    signed_in = await signing_in.event("signed_in")
    assert await signing_in.ended() == 0
    assert (signed_in["account"], signed_in["server"], signed_in["device"]) == ("Ada Lovelace", world.server, "mine")
    _, (status, *_) = await run(program, "status", "--home", world.home("device"))
    assert status["account"] == "Ada Lovelace"

    # And nothing that the provider gave out can be found with the service.
    metrics = await scrape(world.pairing_metrics)
    await world.pairing.stop()
    kept = b"".join(file.read_bytes() for file in (world.folder / "pairing").iterdir())
    places = bytes(world.pairing.stderr) + metrics + kept
    assert len(provider.secrets) == 4
    assert not [secret for secret in (*provider.secrets, CLIENT_SECRET) if secret.encode() in places]


@pytest.mark.big
async def test_a_person_is_told_in_a_sentence(world: World, provider: TinyProvider) -> None:
    provider.says = "access_denied"
    words = ["login", "--home", world.home("desk"), "--server", world.server, "--name", "desk", "--provider"]
    for program, code in (("dispatch-host", "█"), ("dispatch-phone", "where it stands already")):
        process = await asyncio.create_subprocess_exec(str(BIN / program), *words, stdout=asyncio.subprocess.PIPE)
        said = (await process.communicate())[0].decode()

        assert process.returncode == 5
        assert re.search(rf"Open {provider.issuer}/enter in any browser and enter \S{{8}} there, until \d\d:\d\d", said)
        assert code in said
        assert "The sign-in was denied at the provider." in said


@pytest.mark.big
async def test_words_from_the_provider_play_no_tricks_on_a_terminal(world: World, provider: TinyProvider) -> None:
    provider.codes |= {"user_code": "ABC\u202eDEF"}
    words = ["login", "--home", world.home("desk"), "--server", world.server, "--name", "desk", "--provider"]
    process = await asyncio.create_subprocess_exec(str(BIN / "dispatch-host"), *words, stdout=asyncio.subprocess.PIPE)
    said = (await process.communicate())[0].decode()

    assert process.returncode == 9
    assert "\u202e" not in said


@pytest.mark.parametrize("program", ["dispatch-host", "dispatch-phone"])
@pytest.mark.parametrize("words", [[], ["--provider", "--account", "ada"], ["--provider", "--password-stdin"]], ids=str)
async def test_it_is_one_way_in_or_the_other(tmp_path: Path, program: str, words: list[str]) -> None:
    code, events = await run(
        program, "login", "--home", str(tmp_path), "--server", "127.0.0.1:1", "--name", "x", *words
    )

    assert (code, events) == (2, [])


@pytest.mark.big
async def test_a_service_with_wrong_settings_says_all_that_is_wrong_and_does_not_start(tmp_path: Path) -> None:
    code, events = await run(
        "dispatch-pairing", "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"),
        env={f"{PREFIX}ISSUER": "id.example", f"{PREFIX}SECRET": "hidden"},
    )  # fmt: skip

    assert code == 2
    assert [word for word in ("SECRET", "CLIENT_ID", "ISSUER") if PREFIX + word in events[-1]["detail"]] == [
        *("SECRET", "CLIENT_ID", "ISSUER")
    ]
    assert "hidden" not in events[-1]["detail"]


@pytest.mark.big
async def test_an_operator_links_somebody_and_may_change_it(tmp_path: Path) -> None:
    data = tmp_path / "pairing"
    data.mkdir()
    for name in ("ada", "bob"):
        await add_account(data, name, PASSWORD)
    async with store_of(data) as store:
        await link("ada", issuer="https://id.example", subject="1815", store=store)
        with pytest.raises(errors.BadRequest):
            await link("ada", issuer="https://id.example", subject="", store=store)

    async def links(account: str) -> tuple[int, Event]:
        code, events = await run(
            "dispatch-pairing", "account", "link", account, "--issuer", "https://id.example", "--subject", "1815",
            "--data", str(data),
        )  # fmt: skip
        return code, events[-1]

    assert await links("BOB") == (0, {
        "event": "linked", "account": "bob", "issuer": "https://id.example", "subject": "1815", "before": "ada",
    })  # fmt: skip
    code, refusal = await links("nobody")
    assert (code, refusal["reason"]) == (9, "ACCOUNT_UNKNOWN")
    rows = sqlite3.connect(data / "pairing.db")
    assert rows.execute("SELECT count(*) FROM logins").fetchone() == (1,)
    rows.close()
