"""axe's rules of accessibility, asked of a page in a browser. Installed by npm in tests/browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Page

_AXE = Path(__file__).resolve().parents[1] / "browser" / "node_modules" / "axe-core" / "axe.min.js"


def axe_source() -> str:
    """Read axe; the test fails where it is not installed."""
    if not _AXE.exists():
        pytest.fail("axe-core is missing: cd tests/browser && npm ci --ignore-scripts")
    return _AXE.read_text("utf-8")


async def violations(page: Page) -> list[str]:
    """Give what breaks a rule, each with where. Asked in the browser's own world, which no policy of the page holds for."""
    session = await page.context.new_cdp_session(page)
    await session.send("Page.enable")
    tree = await session.send("Page.getFrameTree")
    world = await session.send(
        "Page.createIsolatedWorld", {"frameId": tree["frameTree"]["frame"]["id"], "worldName": "axe"}
    )
    context = world["executionContextId"]
    await session.send("Runtime.evaluate", {"expression": axe_source(), "contextId": context})
    asked = await session.send(
        "Runtime.evaluate",
        {
            "expression": "axe.run({ resultTypes: ['violations'] }).then((found) => JSON.stringify(found.violations.map("
            "(one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).join(', ')}`)))",
            "contextId": context,
            "awaitPromise": True,
        },
    )
    await session.detach()
    found: list[str] = json.loads(asked["result"]["value"])
    return found
