"""The page of pairing requests: the codes that the account's hosts show now, and who has claimed one."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.clock import Clock
from dispatch.errors import OfferUnknown
from dispatch.ids import ID_BYTES, AccountId, OfferId
from dispatch.runtime.logs import get_logger
from starlette.responses import Response

from dispatch_pairing import offers
from dispatch_pairing.ceremony import Ceremony
from dispatch_pairing.model import Device
from dispatch_pairing.offers import Offer, State
from dispatch_pairing.store import Store
from dispatch_pairing.web.page import Need, Page, Visit
from dispatch_pairing.web.render import Renderer, seen_other

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """A pairing request, as its owner sees it."""

    offer: Offer
    host: str
    phone: str | None
    """Who has claimed it."""
    left_ms: int


class RequestPages:
    """The page of pairing requests."""

    def __init__(self, *, ceremony: Ceremony, store: Store, clock: Clock, renderer: Renderer) -> None:
        self._ceremony = ceremony
        self._store = store
        self._clock = clock
        self._renderer = renderer

    def pages(self) -> tuple[Page, ...]:
        """Give the table."""
        return (
            Page("GET", "/requests", Need.SIGN_IN, self._list),
            Page("POST", "/requests/{offer}/refuse", Need.SIGN_IN, self._refuse),
        )

    async def _list(self, visit: Visit) -> Response:
        return self._renderer.page("requests.html", visit, requests=await self._open(visit.account.account_id))

    async def _refuse(self, visit: Visit) -> Response:
        offer_id = _offer_id(visit)
        host = await self._host_of(visit.account.account_id, offer_id)
        offer = await self._ceremony.end(host, offer_id, Reason.REASON_PAIRING_REFUSED)
        refused = offer.reason == Reason.REASON_PAIRING_REFUSED
        _log.info("offer over", offer=offer_id, state=offer.state.value, by="browser")
        return seen_other("/requests", done="refused" if refused else "too-late")

    async def _open(self, account_id: AccountId) -> list[Asked]:
        now_ms = self._clock.wall_ms()
        found = []
        async with self._store.read() as kept:
            devices = await kept.devices.of_account(account_id)
            names = {one.device_id: one.name for one in devices}
            for host in devices:
                for kept_offer in await kept.offers.unfinished_of_host(host.device_id):
                    offer = offers.at(kept_offer, now_ms)
                    if offer.ends_ms is None or offer.account_id != account_id:
                        continue
                    phone = None if offer.phone_id is None else names.get(offer.phone_id, "a phone that moved away")
                    found.append(Asked(offer=offer, host=host.name, phone=phone, left_ms=offer.ends_ms - now_ms))
        return sorted(found, key=lambda one: (one.offer.state is not State.CLAIMED, one.left_ms))

    async def _host_of(self, account_id: AccountId, offer_id: OfferId) -> Device:
        async with self._store.read() as kept:
            offer = await kept.offers.get(offer_id)
            host = None if offer is None else await kept.devices.get(offer.host_id)
        if offer is None or host is None or not offer.account_id == host.account_id == account_id:
            raise OfferUnknown
        return host


def _offer_id(visit: Visit) -> OfferId:
    try:
        value = bytes.fromhex(visit.request.path_params["offer"])
    except ValueError as failure:
        raise OfferUnknown from failure
    if len(value) != ID_BYTES:
        raise OfferUnknown
    return OfferId(value)
