"""The servers are blind: nothing that a person wrote, no file name and no result can be found at them."""

from __future__ import annotations

from pathlib import Path

from tests.support.canary import find, find_in_files
from tests.support.processes import run
from tests.support.world import PASSWORD, World, scrape

IN_TEXT = "Kestrel-in-the-words"
IN_NAME = "Osprey-in-the-name"
IN_FILE = "Merlin-in-the-file"


async def test_the_servers_hold_no_word_of_what_phone_and_host_say(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        files = tmp_path / "files"
        files.mkdir()
        (files / f"{IN_NAME}.csv").write_text(f"bird,count\n{IN_FILE},3\n")
        host = await world.devices()

        code, events = await world.send(f"show the top 5 rows of the csv {IN_NAME}")
        assert code == 0, events
        assert IN_FILE in events[-1]["text"]
        code, events = await world.send(f"search for {IN_TEXT}")
        assert code == 0, events
        await host.stop()
        code, _ = await world.send(f"{IN_TEXT} again, refused this time")
        assert code == 3
        metrics = b""
        for address in (world.relay_metrics, (await world.pairing.event("listening"))["metrics"]):
            metrics += await scrape(address)
        session = (tmp_path / "pocket" / "keys" / "session").read_bytes()

        for canary in (IN_TEXT, IN_NAME, IN_FILE, PASSWORD):
            # While the services still run: write-ahead logs have not been folded in yet.
            assert find_in_files(canary, tmp_path / "relay") == []
            assert find_in_files(canary, tmp_path / "pairing") == []
            assert find(canary, metrics) == []
        await world.relay.stop()
        await world.pairing.stop()
        for canary in (IN_TEXT, IN_NAME, IN_FILE, PASSWORD, session.hex()):
            assert find_in_files(canary, tmp_path / "relay") == []
            assert find_in_files(canary, tmp_path / "pairing") == []
            for service in (world.relay, world.pairing):
                said = bytes(service.stderr) + repr(service.events).encode()
                assert find(canary, said) == []
        # The same search does find it where it may be: in the two devices' own stores.
        _, thread = await run("dispatch-host", "thread", "--home", world.home("desk"))
        assert find(IN_TEXT, repr(thread).encode())
        assert find_in_files(IN_TEXT, tmp_path / "desk")
