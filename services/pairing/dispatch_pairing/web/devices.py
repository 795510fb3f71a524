"""The pages of devices: the list, a new name, the end of one's rights."""

from __future__ import annotations

from dispatch.errors import BadRequest, DeviceUnknown
from dispatch.ids import ID_BYTES, DeviceId
from dispatch.runtime.logs import get_logger
from starlette.responses import Response

from dispatch_pairing.devices import Devices, Listed
from dispatch_pairing.web.page import Need, Page, Visit
from dispatch_pairing.web.render import Renderer, detail_of, seen_other

_log = get_logger()


class DevicePages:
    """The pages of devices."""

    def __init__(self, *, devices: Devices, renderer: Renderer) -> None:
        self._devices = devices
        self._renderer = renderer

    def pages(self) -> tuple[Page, ...]:
        """Give the table."""
        one = "/devices/{device}"
        return (
            Page("GET", "/devices", Need.SIGN_IN, self._list),
            Page("GET", f"{one}/rename", Need.SIGN_IN, self._name),
            Page("POST", f"{one}/rename", Need.SIGN_IN, self._rename),
            Page("GET", f"{one}/revoke", Need.SIGN_IN, self._ask),
            Page("POST", f"{one}/revoke", Need.SIGN_IN, self._revoke),
        )

    async def _list(self, visit: Visit) -> Response:
        found = await self._devices.list(visit.account.account_id)
        return self._renderer.page(
            "devices.html",
            visit,
            devices=[one for one in found if one.device.revoked_ms is None],
            revoked=[one for one in found if one.device.revoked_ms is not None],
            names={one.device.device_id: one.device.name for one in found},
        )

    async def _name(self, visit: Visit) -> Response:
        device = (await self._one(visit)).device
        return self._renderer.page("rename.html", visit, device=device, name=device.name, problem="")

    async def _rename(self, visit: Visit) -> Response:
        device, name = (await self._one(visit)).device, visit.form.get("name", "")
        try:
            await self._devices.rename(visit.account.account_id, device.device_id, name)
        except BadRequest as refusal:
            problem = detail_of(refusal)
            return self._renderer.page("rename.html", visit, status=400, device=device, name=name, problem=problem)
        _log.info("device renamed", device=device.device_id, by="browser")
        return seen_other("/devices", done="renamed")

    async def _ask(self, visit: Visit) -> Response:
        listed = await self._one(visit)
        if listed.device.revoked_ms is not None:
            return seen_other("/devices")
        names = {one.device.device_id: one.device.name for one in await self._devices.list(visit.account.account_id)}
        return self._renderer.page("revoke.html", visit, listed=listed, names=names)

    async def _revoke(self, visit: Visit) -> Response:
        device_id = _device_id(visit)
        if await self._devices.revoke(visit.account.account_id, device_id):
            _log.info("device revoked", device=device_id, by="browser")
        return seen_other("/devices", done="revoked")

    async def _one(self, visit: Visit) -> Listed:
        wanted = _device_id(visit)
        for one in await self._devices.list(visit.account.account_id):
            if one.device.device_id == wanted:
                return one
        raise DeviceUnknown


def _device_id(visit: Visit) -> DeviceId:
    try:
        value = bytes.fromhex(visit.request.path_params["device"])
    except ValueError as failure:
        raise DeviceUnknown from failure
    if len(value) != ID_BYTES:
        raise DeviceUnknown
    return DeviceId(value)
