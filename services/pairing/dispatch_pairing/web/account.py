"""The pages of the account itself: its password, everything that is kept of it, its end."""

from __future__ import annotations

from dispatch.clock import Clock
from dispatch.errors import BadRequest, DispatchError, SignInRequired
from dispatch.runtime.logs import get_logger
from starlette.responses import Response, StreamingResponse

from dispatch_pairing.accounts import erase
from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.credentials import Credentials
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Ending, Metrics
from dispatch_pairing.store import Store
from dispatch_pairing.web.export import export
from dispatch_pairing.web.page import Need, Page, Visit
from dispatch_pairing.web.render import Renderer, detail_of, retry_after, seen_other, status_of
from dispatch_pairing.web.sessions import SESSION, Sessions
from dispatch_pairing.web.signing import came_from

_log = get_logger()


class AccountPages:
    """The pages of the account itself."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        sessions: Sessions,
        store: Store,
        bell: Bell,
        clock: Clock,
        limits: Limits,
        metrics: Metrics,
        renderer: Renderer,
    ) -> None:
        self._credentials = credentials
        self._sessions = sessions
        self._store = store
        self._bell = bell
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._renderer = renderer

    def pages(self) -> tuple[Page, ...]:
        """Give the table."""
        return (
            Page("GET", "/account", Need.SIGN_IN, self._account),
            Page("GET", "/account/export.json", Need.SIGN_IN, self._export),
            Page("GET", "/account/password", Need.SIGN_IN, self._password),
            Page("POST", "/account/password", Need.SIGN_IN, self._change_password),
            Page("GET", "/account/erase", Need.SIGN_IN, self._ask),
            Page("POST", "/account/erase", Need.SIGN_IN, self._erase),
        )

    async def _account(self, visit: Visit) -> Response:
        return self._renderer.page("account.html", visit)

    async def _export(self, visit: Visit) -> Response:
        pieces = export(visit.account.account_id, store=self._store, now_ms=visit.now_ms)
        return StreamingResponse(
            pieces,
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="dispatch-account.json"'},
        )

    async def _password(self, visit: Visit) -> Response:
        return self._renderer.page("password.html", visit, problem="")

    async def _change_password(self, visit: Visit) -> Response:
        account_id, form = visit.account.account_id, visit.form
        new = form.get("new_password", "")
        try:
            if new != form.get("new_password_again", ""):
                raise BadRequest("the two new passwords are not the same", metadata={"field": "new_password_again"})
            with self._metrics.attempt(self._metrics.password_changes):
                await self._credentials.change_password(
                    account_id, form.get("old_password", ""), new, address=came_from(visit.request), keep=None
                )
        except DispatchError as refusal:
            return self._again("password.html", visit, refusal)
        self._metrics.sign_ins_ended.labels(Ending.PASSWORD_CHANGED).inc()
        _log.info("password changed", account=account_id, by="browser")
        async with self._store.read() as kept:
            changed = await kept.accounts.get(account_id)
        if changed is None:
            raise SignInRequired
        token = await self._sessions.open(changed, instead_of=b"")
        response = seen_other("/account", done="password")
        SESSION.put(response, visit.request, token.hex())
        return response

    async def _ask(self, visit: Visit) -> Response:
        return self._renderer.page("erase.html", visit, problem="")

    async def _erase(self, visit: Visit) -> Response:
        try:
            await self._show_it_is_you(visit, "password")
        except DispatchError as refusal:
            return self._again("erase.html", visit, refusal)
        async with self._store.write() as kept:
            ended = await erase(kept, visit.account, now_ms=self._clock.wall_ms())
        for _ in range(ended):
            self._metrics.ended()
        self._bell.ring_all()
        self._bell.ring(TRUST)  # in the other services, too
        _log.info("account erased", account=visit.account.account_id, by="browser")
        response = seen_other("/sign-in", done="erased")
        SESSION.drop(response, visit.request)
        return response

    async def _show_it_is_you(self, visit: Visit, field: str) -> None:
        """Ask for the password once more, or for a fresh sign-in where there is none: a browser may lie open on a table."""
        account = visit.account
        if account.password:
            await self._credentials.check(account.name, visit.form.get(field, ""), address=came_from(visit.request))
        elif visit.now_ms - visit.signed_in.session.created_ms > self._limits.web_fresh_ms:
            raise SignInRequired("sign out, sign in again, and repeat it within five minutes")

    def _again(self, template: str, visit: Visit, refusal: DispatchError) -> Response:
        problem = f"{refusal.sentence} {detail_of(refusal) or refusal.advice}"
        return self._renderer.page(
            template, visit, status=status_of(refusal), headers=retry_after(refusal), problem=problem
        )
