"""How a screen looks, as far as that can be measured: nothing clipped, nothing in the way, usable with a screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[2] / "clients" / "web_phone" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = ((320, 640), (390, 780), (768, 1024))

# Boxes that scroll by themselves may hold what is wider; what is left of a line that was cut on purpose is no defect.
_FAULTS = """
() => {
  const faults = [];
  const name = (one) => `${one.tagName.toLowerCase()}.${one.className?.baseVal ?? one.className} "${(one.textContent ?? '').trim().slice(0, 40)}"`;
  const seen = [...document.querySelectorAll('#app *')].filter((one) => one.checkVisibility() && !one.closest('.scrolls, pre, .preview, svg'));
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
  for (const one of seen) {
    const { left, right, width, height } = one.getBoundingClientRect();
    if (width === 0 || height === 0) continue;
    if (left < -1 || right > innerWidth + 1) faults.push(`beside the screen: ${name(one)}`);
    const style = getComputedStyle(one);
    const cut = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && style.overflowX !== 'visible' && !['INPUT', 'SELECT'].includes(one.tagName);
    if (cut && !one.matches('.last')) faults.push(`cut off: ${name(one)}`);
  }
  const used = seen.filter((one) => one.matches('button, a, input, select, textarea, summary') && !one.disabled);
  const inView = (one) => { const box = one.closest('.scroll')?.getBoundingClientRect(); const at = one.getBoundingClientRect(); return box === undefined || (at.top >= box.top && at.bottom <= box.bottom); };
  for (const one of used.filter(inView)) {
    const a = one.getBoundingClientRect();
    for (const other of used.filter(inView)) {
      if (other === one || one.contains(other) || other.contains(one)) continue;
      const b = other.getBoundingClientRect();
      if (a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom) faults.push(`over each other: ${name(one)} and ${name(other)}`);
    }
  }
  return [...new Set(faults)];
}
"""  # noqa: E501 -- JavaScript


async def faults(page: Page) -> list[str]:
    """Say what is clipped, beside the screen, or over something else."""
    found: list[str] = await page.evaluate(_FAULTS)
    return found


async def violations(page: Page) -> list[str]:
    """Say what axe has to find fault with."""
    await page.evaluate(AXE.read_text())
    report: dict[str, Any] = await page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:160]}" for one in report["violations"] for node in one["nodes"]]
