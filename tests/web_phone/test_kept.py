"""What others could get out of a browser with a web phone in it: keys, words at rest, and by what an agent or a server wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.phone_site import PhoneSite
from tests.support.world import PASSWORD, World
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"
HOSTILE = "![x](http://127.0.0.1:9) <img src=x onerror=alert(1)>.bin"
# Everything that this origin keeps: key objects by what they give away, all else as latin-1 text, which words would be found in.
_KEPT = """
async () => {
  const asked = (request) => new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = failed;
  });
  const database = await asked(indexedDB.open('dispatch'));
  const [keys, texts] = [[], [JSON.stringify(localStorage)]];
  const look = async (value) => {
    if (value instanceof CryptoKey) {
      const formats = value.type === 'secret' ? ['raw', 'jwk'] : ['pkcs8', 'jwk'];
      const out = await Promise.all(formats.map((format) => crypto.subtle.exportKey(format, value).then(() => true, () => false)));
      keys.push([value.algorithm.name, value.extractable || out.includes(true)]);
    } else if (value instanceof Uint8Array) texts.push(Array.from(value, (byte) => String.fromCharCode(byte)).join(''));
    else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) await look(one);
    else texts.push(String(value));
  };
  const rows = {};
  for (const store of database.objectStoreNames) {
    const all = await asked(database.transaction(store).objectStore(store).getAll());
    rows[store] = all.length;
    for (const row of all) await look(row);
  }
  database.close();
  return { keys, rows, text: texts.join(' ') };
}
"""  # JavaScript


async def test_keys_can_not_be_read_out_and_nothing_that_was_said_lies_there_open(world: World, screen: Screen) -> None:
    await screen.pair(world)
    await world.run_host("desk")
    await screen.connected()
    await screen.becomes(await screen.send(QUESTION), "done")

    kept = await screen.page.evaluate(_KEPT)

    assert {name for name, _ in kept["keys"]} == {"Ed25519", "X25519", "AES-GCM"}
    assert not [name for name, readable in kept["keys"] if readable]
    assert all(kept["rows"][store] > 0 for store in ("keys", "device", "pairings", "tasks", "events"))
    for words in (QUESTION, "largest", "large.bin", "desk", PASSWORD):
        assert words not in kept["text"]


async def test_what_an_agent_writes_is_text_and_fetches_nothing(world: World, screen: Screen) -> None:
    (world.folder / "files" / HOSTILE.replace("/", "\N{FRACTION SLASH}")).write_bytes(b"x" * 6_000_000)
    await screen.pair(world)
    await world.run_host("desk")
    await screen.connected()

    card = await screen.send(QUESTION)

    await screen.becomes(card, "done")
    await expect(card.locator(".result")).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(card.locator("img, script, iframe")).to_have_count(0)
    own = {screen.origin.partition("://")[2], world.pairing_web, world.relay_web}
    assert {origin.partition("://")[2] for origin in screen.origins} <= own


class TestInjected:
    """A page that somebody got a script into."""

    @pytest.fixture
    def bundle(self, bundle: Path, tmp_path: Path) -> Path:
        served = Path(shutil.copytree(bundle, tmp_path / "served"))
        page = served / "index.html"
        inside = '<script>window.injected = "inline"</script><b onclick="window.injected = 1" id="b">b</b>'
        page.write_text(page.read_text().replace("</body>", f"{inside}</body>"))
        return served

    async def test_no_script_runs_but_the_apps_own_and_no_text_becomes_html(
        self, context: BrowserContext, site: PhoneSite
    ) -> None:
        page = await context.new_page()
        await page.goto(site.origin)
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()

        await page.evaluate("document.getElementById('b').click()")

        assert await page.evaluate("window.injected") is None
        for way in ("document.body.innerHTML = '<i>x</i>'", "document.write('<i>x</i>')"):
            assert await page.evaluate(f"() => {{ try {{ {way}; return false; }} catch {{ return true; }} }}"), way


async def test_a_pairing_link_that_is_opened_into_the_open_page_is_used_and_leaves_the_address(
    world: World, screen: Screen
) -> None:
    await screen.sign_in(world)
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"))
    link = (await host.event("qr"))["link"]

    await screen.page.evaluate("(link) => { location.hash = link; }", link)

    await screen.agree(host)
    await expect(screen.page.get_by_role("heading", name="desk")).to_be_visible()
    assert screen.page.url == f"{screen.origin}/"
    await screen.button("Back").click()
    assert screen.page.url == f"{screen.origin}/"


async def test_a_phone_that_is_told_to_forget_everything_keeps_nothing(world: World, screen: Screen) -> None:
    await screen.pair(world)
    await screen.button("Back").click()
    await screen.button("Settings").click()
    await screen.button("Forget everything").click()
    await screen.button("Yes").click()
    await expect(screen.button("Sign in")).to_be_visible()

    kept = await screen.page.evaluate(_KEPT)

    assert {store: count for store, count in kept["rows"].items() if store != "keys"} == dict.fromkeys(
        ("device", "pairings", "tasks", "events"), 0
    )
