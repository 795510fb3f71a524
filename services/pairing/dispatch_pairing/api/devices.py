"""DeviceService: what the owner of an account sees and may change. Translates messages; `devices` and `history` decide."""

from __future__ import annotations

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind, Outcome
from dispatch.ids import DeviceId
from dispatch.runtime.logs import get_logger

from dispatch_pairing.api.fields import device_id_of
from dispatch_pairing.api.method import DEVICE, Method
from dispatch_pairing.devices import Devices, Listed
from dispatch_pairing.door import Caller, Need
from dispatch_pairing.history import History
from dispatch_pairing.model import TaskRecord

_log = get_logger()


class DeviceApi:
    """Answers DeviceService."""

    def __init__(self, *, devices: Devices, history: History) -> None:
        self._devices = devices
        self._history = history

    def methods(self) -> tuple[Method, ...]:
        """Give the table: every method, and what its caller must show."""
        return (
            Method(DEVICE, "ListDevices", pb.ListDevicesRequest, Need.SIGN_IN, self._list_devices),
            Method(DEVICE, "RenameDevice", pb.RenameDeviceRequest, Need.SIGN_IN, self._rename_device),
            Method(DEVICE, "RevokeDevice", pb.RevokeDeviceRequest, Need.SIGN_IN, self._revoke_device),
            Method(DEVICE, "ListTasks", pb.ListTasksRequest, Need.SIGN_IN, self._list_tasks),
        )

    async def _list_devices(self, caller: Caller, _request: pb.ListDevicesRequest) -> pb.ListDevicesResponse:
        found = await self._devices.list(caller.device.account_id)
        own = caller.device.device_id
        return pb.ListDevicesResponse(devices=[_device(one, own=own) for one in found])

    async def _rename_device(self, caller: Caller, request: pb.RenameDeviceRequest) -> pb.RenameDeviceResponse:
        device_id = device_id_of(request.device_id)
        await self._devices.rename(caller.device.account_id, device_id, request.name)
        _log.info("device renamed", device=device_id, by=caller.device.device_id)
        return pb.RenameDeviceResponse()

    async def _revoke_device(self, caller: Caller, request: pb.RevokeDeviceRequest) -> pb.RevokeDeviceResponse:
        device_id = device_id_of(request.device_id)
        if await self._devices.revoke(caller.device.account_id, device_id):
            _log.info("device revoked", device=device_id, by=caller.device.device_id)
        return pb.RevokeDeviceResponse()

    async def _list_tasks(self, caller: Caller, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        page = await self._history.page(caller.device.account_id, token=request.page_token, size=request.page_size)
        return pb.ListTasksResponse(tasks=[_task(one) for one in page.tasks], next_page_token=page.next_token)


def _device(found: Listed, *, own: DeviceId) -> pb.Device:
    device = found.device
    return pb.Device(
        device_id=device.device_id,
        name=device.name,
        kind=DeviceKind.ValueType(device.role),
        app_version=device.app_version,
        created_at_ms=device.created_ms,
        last_seen_at_ms=device.seen_ms,
        signed_in=found.signed_in,
        revoked_at_ms=device.revoked_ms or 0,
        this_device=device.device_id == own,
        paired_with=found.paired_with,
    )


def _task(record: TaskRecord) -> pb.TaskRecord:
    return pb.TaskRecord(
        task_id=record.task_id,
        phone_id=record.phone_id,
        host_id=record.host_id,
        posted_at_ms=record.posted_ms,
        accepted=record.accepted,
        reason=Reason.ValueType(record.reason),
        outcome=Outcome.ValueType(record.outcome),
        ended_at_ms=record.ended_ms,
    )
