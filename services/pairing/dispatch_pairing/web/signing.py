"""Signing in and out in a browser: with the account's password, or at the provider that the service works with."""

from __future__ import annotations

from dispatch.errors import DispatchError, NoProvider, SignInFailed
from dispatch.runtime.logs import get_logger
from dispatch.runtime.peer import network
from starlette.requests import Request
from starlette.responses import Response

from dispatch_pairing.credentials import Credentials
from dispatch_pairing.metrics import Ending, Metrics
from dispatch_pairing.model import Account
from dispatch_pairing.store import Store
from dispatch_pairing.web.page import Need, Page, Visit
from dispatch_pairing.web.provider import Provider
from dispatch_pairing.web.render import Renderer, detail_of, retry_after, seen_other, status_of
from dispatch_pairing.web.sessions import SESSION, VISITOR, Cookie, Sessions

_log = get_logger()

_ADDRESS_CHARS = 64
_BACK = "/sign-in/provider/back"
# Lax, because the provider sends the browser back here from its own site.
PROVIDER = Cookie("dispatch-provider", same_site="lax", max_age_seconds=600)


def came_from(request: Request) -> str:
    """Give the address that failures are counted under."""
    return network(request.client.host[:_ADDRESS_CHARS]) if request.client is not None else ""


class Signing:
    """The pages of signing in and out."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        sessions: Sessions,
        store: Store,
        renderer: Renderer,
        metrics: Metrics,
        provider: Provider | None,
    ) -> None:
        self._credentials = credentials
        self._sessions = sessions
        self._store = store
        self._renderer = renderer
        self._metrics = metrics
        self._provider = provider

    def pages(self) -> tuple[Page, ...]:
        """Give the table."""
        return (
            Page("GET", "/", Need.SIGN_IN, self._home),
            Page("GET", "/sign-in", Need.NOTHING, self._form),
            Page("POST", "/sign-in", Need.NOTHING, self._sign_in),
            Page("POST", "/sign-in/provider", Need.NOTHING, self._begin),
            Page("GET", _BACK, Need.NOTHING, self._finish),
            Page("POST", "/sign-out", Need.SIGN_IN, self._sign_out),
            Page("POST", "/sign-out-everywhere", Need.SIGN_IN, self._sign_out_everywhere),
        )

    async def _home(self, _visit: Visit) -> Response:
        return seen_other("/devices")

    async def _form(self, visit: Visit) -> Response:
        return seen_other("/devices") if visit.known is not None else self._show(visit)

    def _show(self, visit: Visit, *, name: str = "", refusal: DispatchError | None = None) -> Response:
        secret = VISITOR.read(visit.request) or self._sessions.fresh()
        problem = "" if refusal is None else f"{refusal.sentence} {detail_of(refusal) or refusal.advice}"
        page = self._renderer.page(
            "sign-in.html",
            visit,
            status=200 if refusal is None else status_of(refusal),
            headers=None if refusal is None else retry_after(refusal),
            name=name,
            problem=problem,
            provider=None if self._provider is None else self._provider.name,
            form_token=self._sessions.form_token(secret),
        )
        VISITOR.put(page, visit.request, secret.hex())
        return page

    async def _sign_in(self, visit: Visit) -> Response:
        name, password = visit.form.get("account", ""), visit.form.get("password", "")
        try:
            with self._metrics.attempt(self._metrics.sign_ins):
                account = await self._credentials.check(name, password, address=came_from(visit.request))
                return await self._let_in(visit, account, seen_other("/devices"))
        except DispatchError as refusal:
            _log.info("sign-in refused", reason=type(refusal).__name__, by="browser")
            return self._show(visit, name=name, refusal=refusal)

    async def _let_in(self, visit: Visit, account: Account, response: Response) -> Response:
        # A new token, whatever the browser had before: nobody can have given it one that is now worth something.
        token = await self._sessions.open(account, instead_of=SESSION.read(visit.request))
        _log.info("signed in", account=account.account_id, by="browser")
        SESSION.put(response, visit.request, token.hex())
        VISITOR.drop(response, visit.request)
        return response

    async def _begin(self, visit: Visit) -> Response:
        begun = await self._given_provider().begin(back=_back(visit.request))
        # A page in between: browsers hold a redirect after a form to form-action, which allows this site alone.
        page = self._renderer.page("onward.html", visit, to=begun.url, where=self._given_provider().name)
        PROVIDER.put(page, visit.request, begun.kept)
        return page

    async def _finish(self, visit: Visit) -> Response:
        kept = PROVIDER.text(visit.request)
        try:
            with self._metrics.attempt(self._metrics.sign_ins):
                if not kept:
                    raise SignInFailed("it was not begun in this browser")
                account = await self._given_provider().finish(
                    back=_back(visit.request), kept=kept, answer=visit.request.query_params
                )
                # A page in between once more: the browser sends a Strict cookie only from a page of ours.
                page = self._renderer.page("onward.html", visit, to="/devices", where="your account")
                response = await self._let_in(visit, account, page)
        except DispatchError as refusal:
            response = self._renderer.refusal(visit, refusal)
        PROVIDER.drop(response, visit.request)
        return response

    def _given_provider(self) -> Provider:
        if self._provider is None:
            raise NoProvider
        return self._provider

    async def _sign_out(self, visit: Visit) -> Response:
        await self._sessions.end(visit.signed_in.token)
        return self._out(visit, "signed-out")

    async def _sign_out_everywhere(self, visit: Visit) -> Response:
        account_id = visit.account.account_id
        async with self._store.write() as kept:
            await kept.accounts.end_web_sessions(account_id)
            await kept.devices.end_sign_ins(account_id)
        self._metrics.sign_ins_ended.labels(Ending.EVERYWHERE).inc()
        _log.info("signed out everywhere", account=account_id, by="browser")
        return self._out(visit, "signed-out-everywhere")

    @staticmethod
    def _out(visit: Visit, done: str) -> Response:
        response = seen_other("/sign-in", done=done)
        SESSION.drop(response, visit.request)
        return response


def _back(request: Request) -> str:
    # The host was checked by the guard.
    return f"{request.url.scheme}://{request.url.netloc}{_BACK}"
