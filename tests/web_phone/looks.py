"""How a screen looks, as far as that can be measured: nothing clipped, nothing in the way, usable with a screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[2] / "clients" / "web_phone" / "node_modules" / "axe-core" / "axe.min.js"
# Those of the rules it goes by unasked.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
SIZES = ((320, 640), (390, 780), (768, 1024))

# Boxes that scroll by themselves may hold what is wider; what is left of a line that was cut on purpose is no defect.
_FAULTS = """
() => {
  const faults = [];
  const name = (one) => `${one.tagName.toLowerCase()}.${one.className?.baseVal ?? one.className} "${(one.textContent ?? '').trim().slice(0, 40)}"`;
  const seen = [...document.querySelectorAll('#app *')].filter((one) => one.checkVisibility() && !one.closest('.scrolls, pre, .preview, svg, .unseen'));
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
  for (const one of seen) {
    const { left, right, width, height } = one.getBoundingClientRect();
    if (width === 0 || height === 0) continue;
    if (left < -1 || right > innerWidth + 1) faults.push(`beside the screen: ${name(one)}`);
    const style = getComputedStyle(one);
    const cut = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && style.overflowX !== 'visible' && !['INPUT', 'SELECT'].includes(one.tagName);
    if (cut && !one.matches('.last')) faults.push(`cut off: ${name(one)}`);
    const low = one.scrollHeight > one.clientHeight + 1 && one.clientHeight > 0 && ['hidden', 'clip'].includes(style.overflowY);
    if (low && !one.matches('.last')) faults.push(`cut off below: ${name(one)}`);
  }
  // Where each text stands, as far as the boxes around it let it be seen.
  const seenOf = (one, rect) => {
    let [left, top, right, bottom] = [rect.left, rect.top, rect.right, rect.bottom];
    for (let box = one; box !== null; box = box.parentElement) {
      if (getComputedStyle(box).overflow === 'visible') continue;
      const edge = box.getBoundingClientRect();
      [left, top, right, bottom] = [Math.max(left, edge.left), Math.max(top, edge.top), Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
    }
    return right - left > 2 && bottom - top > 2 ? { left, top, right, bottom } : null;
  };
  const texts = seen.filter((one) => !one.closest('.to-newest')).flatMap((one) => [...one.childNodes].filter((node) => node.nodeType === 3 && node.data.trim() !== '').flatMap((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects()].flatMap((rect) => { const at = seenOf(one, rect); return at === null ? [] : [{ one, at }]; });
  }));
  texts.forEach(({ one, at }, index) => {
    const control = one.closest('button, .button, .chip, .badge, .mine, .card, .theirs, .notice, .trouble')?.getBoundingClientRect();
    if (control !== undefined && (at.left < control.left - 1 || at.right > control.right + 1 || at.top < control.top - 1 || at.bottom > control.bottom + 1)) faults.push(`spills over: ${name(one)}`);
    for (const { one: other, at: b } of texts.slice(index + 1)) {
      if (other !== one && at.left + 2 < b.right && b.left + 2 < at.right && at.top + 4 < b.bottom && b.top + 4 < at.bottom) faults.push(`written over each other: ${name(one)} and ${name(other)}`);
    }
  });
  const used = seen.filter((one) => one.matches('button, a, input, select, textarea, summary') && !one.disabled);
  const inView = (one) => { const box = one.closest('.scroll')?.getBoundingClientRect(); const at = one.getBoundingClientRect(); return box === undefined || (at.top >= box.top && at.bottom <= box.bottom); };
  for (const one of used.filter(inView)) {
    const middle = one.getBoundingClientRect();
    const [x, y] = [(middle.left + middle.right) / 2, (middle.top + middle.bottom) / 2];
    const hit = document.elementFromPoint(x, y);
    if (x >= 0 && y >= 0 && x < innerWidth && y < innerHeight && !(hit !== null && (one.contains(hit) || hit.contains(one) && hit.tagName === 'LABEL'))) faults.push(`can't be pressed: ${name(one)}`);
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


async def violations(page: Page, *, colours_only: bool = False) -> list[str]:
    """Say what axe has to find fault with; `colours_only`: by its rules that look at colours."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if colours_only:
        options["runOnly"] = {"type": "rule", "values": COLOUR_RULES}
    report: dict[str, Any] = await page.evaluate("(options) => axe.run(document, options)", options)
    return [f"{one['id']}: {node['html'][:160]}" for one in report["violations"] for node in one["nodes"]]
