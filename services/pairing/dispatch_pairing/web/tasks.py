"""The page of tasks: when, from, to, how it ended and why, how long. Never what it was about: the service does not know."""

from __future__ import annotations

from starlette.responses import Response

from dispatch_pairing.devices import Devices
from dispatch_pairing.history import History
from dispatch_pairing.limits import Limits
from dispatch_pairing.web.page import Need, Page, Visit
from dispatch_pairing.web.render import Renderer


class TaskPages:
    """The page of tasks."""

    def __init__(self, *, history: History, devices: Devices, limits: Limits, renderer: Renderer) -> None:
        self._history = history
        self._devices = devices
        self._limits = limits
        self._renderer = renderer

    def pages(self) -> tuple[Page, ...]:
        """Give the table."""
        return (Page("GET", "/tasks", Need.SIGN_IN, self._list),)

    async def _list(self, visit: Visit) -> Response:
        account_id = visit.account.account_id
        token = visit.request.query_params.get("after", "")
        page = await self._history.page(account_id, token=token, size=self._limits.web_tasks)
        names = {one.device.device_id: one.device.name for one in await self._devices.list(account_id)}
        return self._renderer.page(
            "tasks.html", visit, tasks=page.tasks, names=names, next_token=page.next_token, first=not token
        )
