"""One tab has the device, whichever it is told to be."""

from __future__ import annotations

from playwright.async_api import BrowserContext, expect

from tests.support.phone_site import PhoneSite
from tests.support.waiting import until_so

# What a page listens to, and how many of its databases are open.
_COUNTS = """
(() => {
  window.listens = [];
  window.opened = 0;
  for (const target of [window, document]) {
    const add = target.addEventListener;
    target.addEventListener = function (kind, ...rest) { window.listens.push(kind); return add.call(this, kind, ...rest); };
  }
  const [open, close] = [IDBFactory.prototype.open, IDBDatabase.prototype.close];
  IDBFactory.prototype.open = function (...given) { window.opened++; return open.apply(this, given); };
  IDBDatabase.prototype.close = function () { window.opened--; return close.call(this); };
})()
"""  # JavaScript
_LISTENS = (
    "['online', 'offline', 'visibilitychange'].map((kind) => window.listens.filter((one) => one === kind).length)"
)


async def test_a_tab_that_takes_the_device_back_has_nothing_twice(context: BrowserContext, site: PhoneSite) -> None:
    await context.add_init_script(_COUNTS)
    first = await context.new_page()
    await first.goto(site.origin)
    await expect(first.get_by_role("button", name="Sign in")).to_be_visible()
    before = await first.evaluate(_LISTENS)
    other = await context.new_page()
    await other.goto(site.origin)
    await other.get_by_role("button", name="Use it here").click()
    await expect(other.get_by_role("button", name="Sign in")).to_be_visible()

    await first.get_by_role("button", name="Use it here").click()

    await expect(first.get_by_role("button", name="Sign in")).to_be_visible()
    assert await first.evaluate(_LISTENS) == before
    assert await first.evaluate("window.opened") == 1
    await expect(other.get_by_text("open in another tab")).to_be_visible()


async def test_a_tab_that_gave_way_starts_by_itself_when_one_comes_back_to_it_and_the_other_is_closed(
    context: BrowserContext, site: PhoneSite
) -> None:
    first = await context.new_page()
    await first.goto(site.origin)
    await expect(first.get_by_role("button", name="Sign in")).to_be_visible()
    other = await context.new_page()
    await other.goto(site.origin)
    await other.get_by_role("button", name="Use it here").click()
    await expect(first.get_by_text("open in another tab")).to_be_visible()

    await other.close()
    await until_so(lambda: first.evaluate("async () => (await navigator.locks.query()).held.length === 0"))
    # A browser without a window says this of none of its tabs.
    await first.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    await expect(first.get_by_role("button", name="Sign in")).to_be_visible()
