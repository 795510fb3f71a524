"""Turns values into pages: the templates, and what all of them need. Whatever a device or a person called something is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Any

from dispatch.errors import Code, DispatchError
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dispatch_pairing.web import words
from dispatch_pairing.web.page import Visit

_TABS = (("/devices", "Devices"), ("/requests", "Requests"), ("/tasks", "Tasks"), ("/account", "Account"))
# What was just done, by the word in the address that the browser is sent to: never text of a stranger.
DONE = {
    "renamed": "The device has its new name.",
    "revoked": "The device is revoked. Its connections are cut and it can't come back.",
    "refused": "The pairing request is refused.",
    "too-late": "That pairing request was over already; nothing was changed.",
    "password": "The password is changed. Your devices and other browsers have to sign in again.",
    "signed-out": "You are signed out here.",
    "signed-out-everywhere": "You are signed out here, on all your devices and in all other browsers.",
    "erased": "The account is erased, with everything that was kept of it.",
}
_STATUS = {
    Code.UNAUTHENTICATED: 403,  # 401 would have the browser ask for a password in a window of its own kind of sign-in
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.FAILED_PRECONDITION: 409,
    Code.INVALID_ARGUMENT: 400,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
}


class Renderer:
    """Renders the templates of this package."""

    def __init__(self, *, service_name: str) -> None:
        self._templates = Environment(
            loader=PackageLoader("dispatch_pairing.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(service_name=service_name, tabs=_TABS, words=words)
        self.style = files("dispatch_pairing.web").joinpath("style.css").read_bytes()

    def page(
        self,
        template: str,
        visit: Visit | None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """Render a page for a visitor, or for one of whom nothing is known."""
        signed_in = visit is not None and visit.known is not None
        done = "" if visit is None else DONE.get(visit.request.query_params.get("done", ""), "")
        shared = {
            "account": visit.account if visit is not None and signed_in else None,
            "path": "" if visit is None else visit.request.url.path,
            "form_token": "" if visit is None else visit.form_token,
            "done": done,
            "ago": partial(words.ago, now_ms=0 if visit is None else visit.now_ms),
        }
        text = self._templates.get_template(template).render({**shared, **values})
        return HTMLResponse(text, status_code=status, headers=headers)

    def refusal(self, visit: Visit | None, refusal: DispatchError) -> Response:
        """Render why something was refused."""
        return self.page(
            "refused.html",
            visit,
            status=status_of(refusal),
            headers=retry_after(refusal),
            sentence=refusal.sentence,
            advice=refusal.advice,
            detail=detail_of(refusal),
        )


def status_of(refusal: DispatchError) -> int:
    """Give the HTTP status of a refusal."""
    return _STATUS.get(refusal.code, 500)


def detail_of(refusal: DispatchError) -> str:
    """Give what a person can use of a refusal's detail: which rule a value broke, and how long to wait."""
    if refusal.retry_after_ms:
        return f"Try again in {words.wait(refusal.retry_after_ms)}."
    if refusal.code is Code.INVALID_ARGUMENT and refusal.detail:
        return refusal.detail[:1].upper() + refusal.detail[1:] + "."
    return ""


def retry_after(refusal: DispatchError) -> dict[str, str]:
    """Give the header that says when to come back, if the refusal does."""
    return {"Retry-After": str(-(-refusal.retry_after_ms // 1_000))} if refusal.retry_after_ms else {}


def seen_other(path: str, *, done: str = "") -> RedirectResponse:
    """Send the browser on after a form, so that loading the page again sends nothing again."""
    return RedirectResponse(f"{path}?done={done}" if done else path, status_code=303)
