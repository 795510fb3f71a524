"""Lets visitors in and gives each to its page. The rows of the table are the pages' own; `Guard` stands before all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from dispatch.clock import Clock
from dispatch.errors import DispatchError, Internal, word
from dispatch.runtime.logs import get_logger
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.web.guard import READING, Guard, Turned
from dispatch_pairing.web.page import Need, Page, Visit
from dispatch_pairing.web.render import Renderer, seen_other
from dispatch_pairing.web.sessions import SESSION, VISITOR, Sessions

_log = get_logger()

_NOT_HERE = {404: "There is no such page.", 405: "This page can't be asked for in that way."}
_FIELDS = 16


class Site:
    """The account page as an ASGI application."""

    def __init__(
        self,
        *,
        pages: Iterable[Page],
        sessions: Sessions,
        renderer: Renderer,
        clock: Clock,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._pages = tuple(pages)
        self._sessions = sessions
        self._renderer = renderer
        self._clock = clock
        self._limits = limits
        self._metrics = metrics

    def app(self, *, names: frozenset[str]) -> ASGIApp:
        """Give the application. `names` are the hosts by which it may be asked for."""
        inner = Starlette(
            routes=[
                Route("/style.css", self._style, methods=["GET"]),
                *(Route(page.path, self._endpoint(page), methods=[page.method]) for page in self._pages),
            ],
            exception_handlers={HTTPException: self._not_here},
        )
        # A path with a slash too many is no page; a redirect would name a host that the visitor chose.
        inner.router.redirect_slashes = False
        return Guard(
            inner,
            names=names,
            limit_bytes=self._limits.request_bytes,
            read_ms=self._limits.web_read_ms,
            turn_away=self._turn_away,
        )

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            visit: Visit | None = None
            try:
                visit, refused = await self._let_in(page, request)
                return refused or await page.answer(visit)
            except DispatchError as refusal:
                error = refusal
                _log.info("refused", page=page.path, reason=word(error.reason), detail=error.detail)
            except Exception:
                error = Internal()
                _log.exception("broken", page=page.path)
            self._metrics.refusals.labels(word(error.reason)).inc()
            return self._renderer.refusal(visit, error)

        return answer

    async def _let_in(self, page: Page, request: Request) -> tuple[Visit, Response | None]:
        """Find out who it is; gives the answer at once when the page is not for them."""
        known = await self._sessions.find(SESSION.read(request))
        secret = VISITOR.read(request) if known is None else known.token
        visit = Visit(
            request=request,
            now_ms=self._clock.wall_ms(),
            form_token=self._sessions.form_token(secret) if secret else "",
            known=known,
        )
        if page.need is Need.SIGN_IN and known is None:
            return visit, seen_other("/sign-in")
        if request.method in READING:
            return visit, None
        form = await _form(request)
        if not self._sessions.fits(form.get("form_token", ""), secret):
            return visit, self._turn_away(Turned.FORM_TOKEN, visit)
        return replace(visit, form=form), None

    def _turn_away(self, turned: Turned, visit: Visit | None = None) -> Response:
        self._metrics.web_turned_away.labels(turned.value).inc()
        _log.info("turned away", why=turned.value)
        advice = "Go back, load the page again, and repeat it." if turned is Turned.FORM_TOKEN else ""
        return self._renderer.page(
            "refused.html", visit, status=turned.status, sentence=turned.sentence, advice=advice, detail=""
        )

    async def _not_here(self, _request: Request, failure: Exception) -> Response:
        status = failure.status_code if isinstance(failure, HTTPException) else 404
        headers = failure.headers if isinstance(failure, HTTPException) else None
        sentence = _NOT_HERE.get(status, _NOT_HERE[404])
        return self._renderer.page(
            "refused.html", None, status=status, headers=headers, sentence=sentence, advice="", detail=""
        )

    async def _style(self, _request: Request) -> Response:
        return Response(self._renderer.style, media_type="text/css")


async def _form(request: Request) -> dict[str, str]:
    """Read a form that the guard let in; of a field that stands there twice, the last counts."""
    sent = await request.form(max_fields=_FIELDS)
    return {name: value for name, value in sent.items() if isinstance(value, str)}
