"""The question whether a page may send something. Pure: a request in, an approval out. docs/browser.md, what is asked."""

from __future__ import annotations

from dispatch_host.agents.asking import RULE_BYTES, Approval, canonical
from dispatch_host.browser.reach import origin
from dispatch_host.browser.wire import Sends
from dispatch_host.markdown import fenced
from dispatch_host.permissions.permission import BROWSER


def question(sends: Sends) -> Approval | None:
    """Ask for exactly this request; None for one that goes nowhere that could be named."""
    to, at = origin(sends.url), origin(sends.page)
    if not to:
        return None
    rule = f"submit forms on {to}" if at == to else f"let pages of {at} submit forms on {to}"
    body = f"\n\n{fenced(sends.body)}" if sends.body else "\n\nwithout anything in it."
    asked_by = "" if at == to else f"\n\nIt is asked for by a page of {at or 'no origin'}."
    return Approval(
        text=f"Send this to {to}?",
        action=canonical(
            {
                "tool": "browser_send",
                "asked_by": at,
                "method": sends.method,
                "url": sends.url,
                "type": sends.kind,
                "body": sends.body,
            }
        ),
        preview=f"{fenced(f'{sends.method} {sends.url}')}{body}{asked_by}",
        # Without an origin it could be anybody's page: such a one is asked about each time.
        rule=rule if at and len(rule.encode()) <= RULE_BYTES else "",
        permission=BROWSER,
        of={"asked_by": at, "sent_to": to},
    )
