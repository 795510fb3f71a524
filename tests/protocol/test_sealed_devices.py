"""Phone and host with a passphrase: their keys are sealed, and without it nobody opens them. Real processes, real services."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import run
from tests.support.world import World

pytestmark = pytest.mark.big


def keys_of(home: str) -> dict[str, bytes]:
    """Read what is on the disk."""
    return {file.name: file.read_bytes() for file in Path(home, "keys").iterdir()}


async def test_sealed_devices_work_as_others_do_and_are_refused_without_the_passphrase(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    passphrase.chmod(0o600)
    sealed = ("--passphrase-file", str(passphrase))
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-host", "desk")
        await world.sign_in("dispatch-phone", "pocket")
        await world.pair("desk", "pocket")
        homes = {"dispatch-host": world.home("desk"), "dispatch-phone": world.home("pocket")}
        for program, home in homes.items():
            code, (plain, *_) = await run(program, "status", "--home", home)
            assert (code, plain["key_store"]) == (0, "plain file")
            before = keys_of(home)

            # Whichever command comes first seals them, before or after its words.
            code, (now, *_) = await run(program, *sealed, "status", "--home", home)
            assert (code, now["key_store"]) == (0, "sealed file")
            after = b"".join(keys_of(home).values())
            assert len(before) >= 3
            assert not any(secret in after for secret in before.values())

            code, events = await run(program, "status", "--home", home)
            assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")
            assert "--passphrase-file" in events[-1]["detail"]

        running = await world.start(
            "dispatch-host", "run", "--home", homes["dispatch-host"], env={"DISPATCH_PASSPHRASE_FILE": str(passphrase)}
        )
        await running.event("connected")
        code, events = await run(
            "dispatch-phone", "send", "what can you do?", "--home", homes["dispatch-phone"], *sealed
        )
        assert code == 0, events
        # What the running host does itself needs no passphrase; what opens the keys beside it does.
        code, (beside, *_) = await run("dispatch-host", "status", "--home", homes["dispatch-host"])
        assert (code, beside["running"], beside["key_store"]) == (0, True, "sealed file")
        code, _ = await run("dispatch-host", "devices", "--home", homes["dispatch-host"], *sealed)
        assert code == 0
        code, events = await run("dispatch-host", "devices", "--home", homes["dispatch-host"])
        assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")


async def test_new_devices_are_sealed_from_their_first_word(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "dispatch-passphrase").write_text("correct horse battery staple")
    (credentials / "dispatch-passphrase").chmod(0o400)
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    async with World(tmp_path) as world:
        await world.services()
        for program, device in (("dispatch-host", "desk"), ("dispatch-phone", "pocket")):
            login = await world.start(
                program, "login", "--home", world.home(device), "--server", world.server, "--account", "ada",
                "--name", device, "--password-stdin", env=env,
            )  # fmt: skip
            await login.say("correct horse battery staple")
            assert await login.ended() == 0, login.events
            assert "seal" in keys_of(world.home(device))
            status = await world.start(program, "status", "--home", world.home(device), env=env)
            assert (await status.event("status"))["key_store"] == "sealed file"
            code, events = await run(program, "status", "--home", world.home(device))
            assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")
