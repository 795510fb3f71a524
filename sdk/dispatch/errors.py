"""Why something was refused, failed or ended: one exception a reason of the contract, with the words for people.

The reason is what travels (frames, unary errors, metric labels, log words); the sentence and the advice are what a
person reads. Knows no transport: `dispatch.status` turns these into gRPC statuses and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar

from dispatch.api.error.v1.error_pb2 import Reason


class Code(Enum):
    """The gRPC status codes that a reason may end a call with (names as in gRPC)."""

    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    ABORTED = "ABORTED"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    INTERNAL = "INTERNAL"


class DispatchError(Exception):
    """Say no, with a reason. Subclasses are the list; `of` rebuilds the right one from what a peer said."""

    reason: ClassVar[Reason.ValueType]
    code: ClassVar[Code] = Code.FAILED_PRECONDITION
    sentence: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, detail: str = "", *, retry_after_ms: int = 0, metadata: Mapping[str, str] | None = None) -> None:
        """Keep what helps: `detail` is for engineers and holds no content; `metadata` travels with a unary error."""
        super().__init__(detail or self.sentence)
        self.detail = detail
        self.retry_after_ms = retry_after_ms
        self.metadata = dict(metadata or {})

    def said(self) -> Mapping[str, str | list[str]]:
        """Give what belongs to the reason, as programs read it on the command line."""
        return self.metadata

    def words(self) -> str:
        """Give what a person reads on one line: the sentence, the detail in brackets, the advice."""
        detail = f" ({self.detail})" if self.detail and self.detail != self.sentence else ""
        return f"{self.sentence}{detail} {self.advice}"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "reason" in cls.__dict__:
            _BY_REASON[cls.reason] = cls


_BY_REASON: dict[Reason.ValueType, type[DispatchError]] = {}
# Filled while this module is imported and never after: the catalogue, not state.


def word(reason: Reason.ValueType) -> str:
    """Give the reason as it is written in logs, labels and on the command line: HOST_ASLEEP."""
    name = Reason.Name(reason) if reason in Reason.values() else "REASON_INTERNAL"
    return name.removeprefix("REASON_")


def kind_of(reason: Reason.ValueType) -> type[DispatchError]:
    """Give the exception class of a reason; a reason that this version does not know counts as Internal."""
    return _BY_REASON.get(reason, Internal)


def of(
    reason: Reason.ValueType, detail: str = "", *, retry_after_ms: int = 0, metadata: Mapping[str, str] | None = None
) -> DispatchError:
    """Rebuild the error that a peer sent."""
    return kind_of(reason)(detail, retry_after_ms=retry_after_ms, metadata=metadata)


def of_word(
    text: str, detail: str = "", *, retry_after_ms: int = 0, metadata: Mapping[str, str] | None = None
) -> DispatchError:
    """Rebuild the error from its word."""
    name = f"REASON_{text}"
    known = Reason.Value(name) if name in Reason.keys() else Reason.REASON_INTERNAL  # noqa: SIM118 -- an enum wrapper, not a dict
    return of(known, detail, retry_after_ms=retry_after_ms, metadata=metadata)


def all_reasons() -> list[Reason.ValueType]:
    """List every reason, for metrics that start at zero and for the page in the docs."""
    return sorted(_BY_REASON)


class HostAbsent(DispatchError):
    """The host is not there: nothing ran and nothing will."""


class HostAsleep(HostAbsent):
    reason = Reason.REASON_HOST_ASLEEP
    sentence = "The computer is asleep."
    advice = "Wake it, then send again."


class HostAppClosed(HostAbsent):
    reason = Reason.REASON_HOST_APP_CLOSED
    sentence = "Dispatch is not running on the computer."
    advice = "Start it there (dispatch-host run), then send again."


class HostUnreachable(HostAbsent):
    reason = Reason.REASON_HOST_UNREACHABLE
    sentence = "The computer can't be reached: it stopped answering without saying goodbye."
    advice = "Check that it is on and has a network, then send again."


class HostNeverConnected(HostAbsent):
    reason = Reason.REASON_HOST_NEVER_CONNECTED
    sentence = "The computer has not connected since it was paired."
    advice = "Start Dispatch there (dispatch-host run), then send again."


class HostRevoked(HostAbsent):
    reason = Reason.REASON_HOST_REVOKED
    sentence = "The computer no longer takes work from this phone."
    advice = "Pair the two again."


class CommandRefused(DispatchError):
    """A command was not taken; it never runs. The next attempt may be."""


class NotTakenInTime(CommandRefused):
    reason = Reason.REASON_NOT_TAKEN_IN_TIME
    sentence = "The computer did not take the task in time."
    advice = "Send it again."


class SessionNeeded(CommandRefused):
    reason = Reason.REASON_SESSION_NEEDED
    sentence = "The computer came back just now and the two have to shake hands first."
    advice = "Send it again."


class StaleEpoch(CommandRefused):
    reason = Reason.REASON_STALE_EPOCH
    sentence = "The computer could not open the message: the two have to shake hands again."
    advice = "Send it again."


class GrantInvalid(CommandRefused):
    reason = Reason.REASON_GRANT_INVALID
    sentence = "The computer did not accept this phone's right to speak to it."
    advice = "Sign in again on the phone."


class DeadlinePassed(CommandRefused):
    reason = Reason.REASON_DEADLINE_PASSED
    sentence = "The task reached the computer too late."
    advice = "Send it again."


class QueueFull(CommandRefused):
    reason = Reason.REASON_QUEUE_FULL
    code = Code.RESOURCE_EXHAUSTED
    sentence = "Too many tasks are waiting on the computer."
    advice = "Wait for one to end, or cancel one."


class IdReused(CommandRefused):
    reason = Reason.REASON_ID_REUSED
    code = Code.ALREADY_EXISTS
    sentence = "This id was used before for other words."
    advice = "Use a new id."


class AttemptSuperseded(CommandRefused):
    reason = Reason.REASON_ATTEMPT_SUPERSEDED
    sentence = "A newer attempt of this task counts."
    advice = "Look at the thread."


class TaskUnknown(CommandRefused):
    reason = Reason.REASON_TASK_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "There is no such task."
    advice = "Look at the thread for the id."


class TaskOver(CommandRefused):
    reason = Reason.REASON_TASK_OVER
    sentence = "The task is already over."
    advice = "Look at the thread for how it ended."


class ScheduleOnHost(CommandRefused):
    reason = Reason.REASON_SCHEDULE_ON_HOST
    sentence = "Recurring tasks are set up on the computer itself."
    advice = "Set it up there: dispatch-host schedule add."


class SignatureInvalid(CommandRefused):
    reason = Reason.REASON_SIGNATURE_INVALID
    code = Code.PERMISSION_DENIED
    sentence = "A signature did not fit."
    advice = "If it happens again, pair the two again."


class NotSupported(CommandRefused):
    reason = Reason.REASON_NOT_SUPPORTED
    sentence = "The other side does not know how to do this."
    advice = "Update the app there."


class QuestionClosed(CommandRefused):
    reason = Reason.REASON_QUESTION_CLOSED
    sentence = "The question is not open any more."
    advice = "Look at the thread for what came of it."


class QuestionUnseen(CommandRefused):
    reason = Reason.REASON_QUESTION_UNSEEN
    sentence = "The question that is open now is not the one that you were shown."
    advice = "Read it, and answer again."


class NotSteerable(CommandRefused):
    reason = Reason.REASON_NOT_STEERABLE
    sentence = "The task takes no words now."
    advice = "Send them as the next task."


class StreamRefused(DispatchError):
    """A stream or a call was refused or ended."""


class GrantExpired(StreamRefused):
    reason = Reason.REASON_GRANT_EXPIRED
    code = Code.UNAUTHENTICATED
    sentence = "The right to attach is over."
    advice = "It renews by itself; if not, sign in again."


class ProofInvalid(StreamRefused):
    reason = Reason.REASON_PROOF_INVALID
    code = Code.UNAUTHENTICATED
    sentence = "The device could not prove who it is."
    advice = "Check the address you signed in with, then sign in again."


class NonceExpired(StreamRefused):
    reason = Reason.REASON_NONCE_EXPIRED
    code = Code.UNAUTHENTICATED
    sentence = "The proof was too old."
    advice = "It is repeated by itself."


class StreamSuperseded(StreamRefused):
    reason = Reason.REASON_STREAM_SUPERSEDED
    code = Code.ABORTED
    sentence = "This device opened the thread somewhere else."
    advice = "If that was not you, another copy of this device exists: unpair."


class ResumeTooOld(StreamRefused):
    reason = Reason.REASON_RESUME_TOO_OLD
    code = Code.OUT_OF_RANGE
    sentence = "The relay no longer has all that was missed."
    advice = "The computer sends it again by itself."


class ProtocolViolation(StreamRefused):
    reason = Reason.REASON_PROTOCOL_VIOLATION
    code = Code.INVALID_ARGUMENT
    sentence = "The other side did not keep to the protocol."
    advice = "Update both apps; if it stays, report it."


class VersionUnsupported(StreamRefused):
    reason = Reason.REASON_VERSION_UNSUPPORTED
    sentence = "The two speak no common version."
    advice = "Update the older one."


class AppTooOld(StreamRefused):
    reason = Reason.REASON_APP_TOO_OLD
    sentence = "This app is older than the service allows."
    advice = "Update it."


class NotPaired(StreamRefused):
    reason = Reason.REASON_NOT_PAIRED
    code = Code.PERMISSION_DENIED
    sentence = "The two are not paired."
    advice = "Pair them (again)."


class NotPairedYet(NotPaired):
    """The same reason, said by a device that knows that it never was."""

    sentence = "This device is not paired yet."
    advice = "Pair it: dispatch-host pair shows a code, dispatch-phone pair reads it."


class DeviceRevoked(StreamRefused):
    reason = Reason.REASON_DEVICE_REVOKED
    code = Code.PERMISSION_DENIED
    sentence = "This device was revoked."
    advice = "Sign in and pair again."


class TrustStale(StreamRefused):
    reason = Reason.REASON_TRUST_STALE
    code = Code.UNAVAILABLE
    sentence = "The relay can't tell at the moment who may come in."
    advice = "It is tried again by itself."


class Draining(StreamRefused):
    reason = Reason.REASON_DRAINING
    code = Code.UNAVAILABLE
    sentence = "The service restarts."
    advice = "It is tried again by itself."


class TooLarge(StreamRefused):
    reason = Reason.REASON_TOO_LARGE
    code = Code.RESOURCE_EXHAUSTED
    sentence = "The message is too large."
    advice = "Send less at once."


class RateLimited(StreamRefused):
    reason = Reason.REASON_RATE_LIMITED
    code = Code.RESOURCE_EXHAUSTED
    sentence = "Too many in too short a time."
    advice = "Wait a moment, then try again."


class PeerAbsent(StreamRefused):
    reason = Reason.REASON_PEER_ABSENT
    sentence = "The other side is not there."
    advice = "Try again when it is."


class LeaseLost(StreamRefused):
    reason = Reason.REASON_LEASE_LOST
    code = Code.UNAVAILABLE
    sentence = "The connection went silent."
    advice = "It is tried again by itself."


class NoNetwork(StreamRefused):
    reason = Reason.REASON_NO_NETWORK
    code = Code.UNAVAILABLE
    sentence = "There is no connection to the service."
    advice = "Check the network, then try again."


class TlsFailed(NoNetwork):
    reason = Reason.REASON_TLS_FAILED
    sentence = "No safe connection can be made to the service."
    advice = "Check the address and the certificate authority that this device signed in with (login --ca FILE)."


class PairingRefused(DispatchError):
    """The pairing service said no."""


class SignInRequired(PairingRefused):
    reason = Reason.REASON_SIGN_IN_REQUIRED
    code = Code.UNAUTHENTICATED
    sentence = "This device is not signed in."
    advice = "Sign in (login)."


class SignInFailed(PairingRefused):
    reason = Reason.REASON_SIGN_IN_FAILED
    code = Code.UNAUTHENTICATED
    sentence = "Account and password do not fit."
    advice = "Check both and try again."


class AccountExists(PairingRefused):
    reason = Reason.REASON_ACCOUNT_EXISTS
    code = Code.ALREADY_EXISTS
    sentence = "An account of that name exists."
    advice = "Choose another name."


class AccountUnknown(PairingRefused):
    reason = Reason.REASON_ACCOUNT_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "There is no account of that name."
    advice = "Check the name."


class OfferUnknown(PairingRefused):
    reason = Reason.REASON_OFFER_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "The service does not know this code."
    advice = "Scan the code that the computer shows now."


class OfferExpired(PairingRefused):
    reason = Reason.REASON_OFFER_EXPIRED
    sentence = "The code's time is over."
    advice = "Scan the fresh code that the computer shows."


class OfferClaimed(PairingRefused):
    reason = Reason.REASON_OFFER_CLAIMED
    code = Code.ALREADY_EXISTS
    sentence = "Another device has used this code already."
    advice = "Press Refuse on the computer and start again."


class OtherAccount(PairingRefused):
    reason = Reason.REASON_OTHER_ACCOUNT
    code = Code.PERMISSION_DENIED
    sentence = "Phone and computer are signed in to different accounts."
    advice = "Sign both in to the same account."


class OtherService(PairingRefused):
    reason = Reason.REASON_OTHER_SERVICE
    sentence = "The code belongs to a service that this phone is not signed in to."
    advice = "Sign the phone in to the service that the computer uses."


class NotAPairingCode(PairingRefused):
    reason = Reason.REASON_NOT_A_PAIRING_CODE
    code = Code.INVALID_ARGUMENT
    sentence = "This is not a pairing code."
    advice = "Scan the code that dispatch-host pair shows."


class RefusedByPerson(PairingRefused):
    reason = Reason.REASON_PAIRING_REFUSED
    code = Code.ABORTED
    sentence = "Somebody said no."
    advice = "Start again if that was a mistake."


class HandshakeFailed(PairingRefused):
    reason = Reason.REASON_HANDSHAKE_FAILED
    code = Code.ABORTED
    sentence = "The two devices could not verify each other."
    advice = "Start again with a fresh code; if it happens again, somebody is in between."


class AttestationMismatch(PairingRefused):
    reason = Reason.REASON_ATTESTATION_MISMATCH
    code = Code.PERMISSION_DENIED
    sentence = "What the two devices signed does not fit together."
    advice = "Start again with a fresh code."


class PlanNotAllowed(PairingRefused):
    reason = Reason.REASON_PLAN_NOT_ALLOWED
    code = Code.PERMISSION_DENIED
    sentence = "The account's plan may not pair devices."
    advice = "Ask the operator of the service."


class TooManyDevices(PairingRefused):
    reason = Reason.REASON_TOO_MANY_DEVICES
    code = Code.RESOURCE_EXHAUSTED
    sentence = "The account has as many devices as it may have."
    advice = "Remove one first."


class NoRelay(PairingRefused):
    reason = Reason.REASON_NO_RELAY
    code = Code.UNAVAILABLE
    sentence = "No relay is known to the service yet."
    advice = "It is tried again by itself."


class BadRequest(PairingRefused):
    reason = Reason.REASON_BAD_REQUEST
    code = Code.INVALID_ARGUMENT
    sentence = "A value is missing or out of bounds."
    advice = "Check what you entered."

    def words(self) -> str:
        """Give what is wrong, in its own words where there are some: they say more than the sentence and the advice."""
        detail = self.detail.strip()
        if not detail or detail == self.sentence:
            return super().words()
        return f"{detail[0].upper()}{detail[1:]}{'' if detail[-1] in '.!?' else '.'}"


class SignInPending(PairingRefused):
    reason = Reason.REASON_SIGN_IN_PENDING
    code = Code.UNAVAILABLE
    sentence = "The code has not been entered yet."
    advice = "Open the page, enter the code, and wait."


class SignUpClosed(PairingRefused):
    """Carries metadata "policy", "current", "required"."""

    reason = Reason.REASON_SIGN_UP_CLOSED
    code = Code.PERMISSION_DENIED
    sentence = "This service does not let people make accounts in this way."
    advice = "Ask its operator for an account or an invitation."


class NoProvider(PairingRefused):
    reason = Reason.REASON_NO_PROVIDER
    code = Code.FAILED_PRECONDITION
    sentence = "This service works with no other provider of sign-ins."
    advice = "Sign in with a password."


class DeviceUnknown(PairingRefused):
    reason = Reason.REASON_DEVICE_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "The account has no such device."
    advice = "Look at the list of devices."


class SignInDenied(PairingRefused):
    reason = Reason.REASON_SIGN_IN_DENIED
    code = Code.PERMISSION_DENIED
    sentence = "The sign-in was denied at the provider."
    advice = "Sign in again if that was a mistake."


class SignInExpired(PairingRefused):
    reason = Reason.REASON_SIGN_IN_EXPIRED
    sentence = "The code's time is over, or it is no longer known."
    advice = "Sign in again for a fresh code."


class ProviderUnreachable(PairingRefused):
    reason = Reason.REASON_PROVIDER_UNREACHABLE
    code = Code.UNAVAILABLE
    sentence = "The service can't reach the provider of sign-ins."
    advice = "Try again later, or sign in with a password."


class ProviderFailed(PairingRefused):
    reason = Reason.REASON_PROVIDER_FAILED
    sentence = "The provider of sign-ins gave an answer that can't be used."
    advice = "Ask the operator of the service: its log says more."


class TaskNotDone(DispatchError):
    """An accepted task ended otherwise than done."""


class NotUnderstood(TaskNotDone):
    reason = Reason.REASON_NOT_UNDERSTOOD
    sentence = "The assistant did not understand this."
    advice = "Say it another way, or ask what it can do."


class NeedsAgent(TaskNotDone):
    reason = Reason.REASON_NEEDS_AGENT
    sentence = "The assistant can't do this without an agent."
    advice = "Choose an agent on the computer (dispatch-host agent use), or ask it what it can do."


class NotPermitted(TaskNotDone):
    """Raised by the gate to an agent; `metadata` names the permission."""

    reason = Reason.REASON_NOT_PERMITTED
    code = Code.PERMISSION_DENIED
    sentence = "The task needs something that is not permitted on the computer."
    advice = "On the computer: dispatch-host permissions allow PERMISSION."


class PermissionTakenBack(TaskNotDone):
    reason = Reason.REASON_PERMISSION_TAKEN_BACK
    sentence = "A permission that the task needs was taken back, or its time was over."
    advice = "Send it again when it is permitted (dispatch-host permissions, on the computer)."


class SandboxUnavailable(TaskNotDone):
    reason = Reason.REASON_SANDBOX_UNAVAILABLE
    sentence = "Programs can't be started: the computer has no sandbox for them."
    advice = "dispatch-host doctor, on the computer, says what is missing."


class AgentUnavailable(TaskNotDone):
    """`detail` says why; `metadata` names the agent."""

    reason = Reason.REASON_AGENT_UNAVAILABLE
    sentence = "The computer's agent can't be used now."
    advice = "dispatch-host agent, on the computer, says why."


class LimitReached(TaskNotDone):
    reason = Reason.REASON_LIMIT_REACHED
    sentence = "The agent used as much as one task may, and was not done."
    advice = "Send it again with less to do, or raise the limit on the computer."


class ProgramFailed(TaskNotDone):
    reason = Reason.REASON_PROGRAM_FAILED
    sentence = "The program ran, and failed."
    advice = "Its output says why."


class ToolUnavailable(TaskNotDone):
    reason = Reason.REASON_TOOL_UNAVAILABLE
    sentence = "The computer lacks something that the task needs."
    advice = "dispatch-host doctor, on the computer, says what is missing."


class FolderNotApproved(TaskNotDone):
    reason = Reason.REASON_FOLDER_NOT_APPROVED
    sentence = "The task needs a folder that is not approved."
    advice = "On the computer: dispatch-host folders add PATH."


class AgentFailed(TaskNotDone):
    reason = Reason.REASON_AGENT_FAILED
    sentence = "The agent broke."
    advice = "Send it again; the log on the computer says more."


class Watchdog(TaskNotDone):
    reason = Reason.REASON_WATCHDOG
    sentence = "The task stopped moving and was ended."
    advice = "Send it again, perhaps with less to do."


class CancelledByPerson(TaskNotDone):
    reason = Reason.REASON_CANCELLED_BY_PERSON
    sentence = "It was cancelled."
    advice = "Send it again if you still want it."


class HostStopped(TaskNotDone):
    reason = Reason.REASON_HOST_STOPPED
    sentence = "Dispatch was stopped on the computer while the task ran."
    advice = "Start it there, then send it again."


class HostDied(TaskNotDone):
    reason = Reason.REASON_HOST_DIED
    sentence = "Dispatch ended on the computer without warning while the task ran."
    advice = "Look at what was done up to then, then send it again."


class NeverStarted(TaskNotDone):
    reason = Reason.REASON_NEVER_STARTED
    sentence = "The computer had the task but never started it."
    advice = "Send it again."


class HostSlept(TaskNotDone):
    reason = Reason.REASON_HOST_SLEPT
    sentence = "The computer slept too long for the task to go on."
    advice = "Send it again, and keep the computer awake."


class PersonDenied(TaskNotDone):
    reason = Reason.REASON_PERSON_DENIED
    sentence = "A step was not allowed and the task could not go on without it."
    advice = "Send it again if you want to allow it."


class NobodyAnswered(TaskNotDone):
    reason = Reason.REASON_NOBODY_ANSWERED
    sentence = "Nobody answered a question that the task could not go on without."
    advice = "Send it again when you can answer."


class InputUnreadable(TaskNotDone):
    reason = Reason.REASON_INPUT_UNREADABLE
    sentence = "The files could not be read."
    advice = "Check that they are what their names say."


class Dismissed(TaskNotDone):
    reason = Reason.REASON_DISMISSED
    sentence = "You stopped waiting for it."
    advice = "If the computer comes back, the thread says what became of it."


class NotOver(TaskNotDone):
    reason = Reason.REASON_NOT_OVER
    sentence = "The task is not over yet."
    advice = "Look at the thread, or send it again with the same id: it can't run twice."


class DeviceFault(DispatchError):
    """The device itself is in the way."""


class TargetUnclear(DeviceFault):
    """Which device is meant can't be told. `choices` are those that there are."""

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_ms: int = 0,
        metadata: Mapping[str, str] | None = None,
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Keep the choices under what they are ("hosts"). They travel as JSON: a name may hold any separator."""
        listed = {kind: json.dumps(list(names), ensure_ascii=False) for kind, names in (choices or {}).items()}
        super().__init__(detail, retry_after_ms=retry_after_ms, metadata={**(metadata or {}), **listed})

    def said(self) -> Mapping[str, str | list[str]]:
        return {kind: _names(listed) for kind, listed in self.metadata.items()}


def _names(listed: str) -> str | list[str]:
    """Read the names back; what is no list of names is left as it is."""
    try:
        names = json.loads(listed)
    except ValueError:
        return listed
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else listed


class HomeInUse(DeviceFault):
    reason = Reason.REASON_HOME_IN_USE
    sentence = "Another process uses this device's home."
    advice = "Wait for it to end, or use that one."


class TargetNeeded(TargetUnclear):
    reason = Reason.REASON_TARGET_NEEDED
    code = Code.INVALID_ARGUMENT
    sentence = "There are several; it is not clear which is meant."
    advice = "Name one."


class TargetUnknown(TargetUnclear):
    reason = Reason.REASON_TARGET_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "No paired device has that name."
    advice = "Look at the list of devices."


class StoreFailed(DeviceFault):
    reason = Reason.REASON_STORE_FAILED
    code = Code.DATA_LOSS
    sentence = "The device's own files could not be written or read."
    advice = "Check that the disk has room and works."


class StoreFailedThere(StoreFailed):
    """The same reason, said to a phone of a command that was refused."""

    sentence = "The other side, the computer or the relay, could not write or read its own files."
    advice = "Check that its disk has room and works, then send it again; this phone's files are well."


class NotRunning(DeviceFault):
    reason = Reason.REASON_NOT_RUNNING
    sentence = "Dispatch is not running here."
    advice = "Start it first."


class KeepAwakeOff(DeviceFault):
    """Said as a warning beside a task, never raised: nothing was refused."""

    reason = Reason.REASON_KEEP_AWAKE_OFF
    sentence = "Nothing keeps the computer awake: that is switched off there."
    advice = "If it may fall asleep, switch it on there (dispatch-host keep-awake on)."


class KeepAwakeDenied(DeviceFault):
    """As KeepAwakeOff: said, never raised."""

    reason = Reason.REASON_KEEP_AWAKE_DENIED
    sentence = "Nothing keeps the computer awake: its system does not allow Dispatch to."
    advice = "If it may fall asleep, set its own sleep to never (dispatch-host status says more)."


class KeepAwakeUnavailable(DeviceFault):
    """As KeepAwakeOff: said, never raised."""

    reason = Reason.REASON_KEEP_AWAKE_UNAVAILABLE
    sentence = "Nothing keeps the computer awake: nothing there could do it."
    advice = "If it may fall asleep, set its own sleep to never (dispatch-host status says more)."


class FileFault(DispatchError):
    """A file does not get where it should."""


class AttachmentMissing(FileFault):
    reason = Reason.REASON_ATTACHMENT_MISSING
    sentence = "A file of the task never arrived whole, so the task was not started."
    advice = "Send the task again with its files."


class FileUnknown(FileFault):
    reason = Reason.REASON_FILE_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "There is no such file, or it is not there any more."
    advice = "Look at the list of files, or ask the computer for it again."


class FileChanged(FileFault):
    reason = Reason.REASON_FILE_CHANGED
    sentence = "The file was changed since it was named."
    advice = "Ask for it again, to get it as it is now."


class NoRoom(FileFault):
    reason = Reason.REASON_NO_ROOM
    code = Code.RESOURCE_EXHAUSTED
    sentence = "There is no room for the file on the device that should get it."
    advice = "Make room there, then try again."


class TransferFailed(FileFault):
    reason = Reason.REASON_TRANSFER_FAILED
    code = Code.UNAVAILABLE
    sentence = "The file does not get through."
    advice = "Try again later: it goes on from where it stopped."


class RunMissed(DispatchError):
    """Said of times at which a scheduled task was due, never raised: so are its kin."""

    reason = Reason.REASON_RUN_MISSED
    sentence = "The computer was off or asleep when it was due."
    advice = "Send it now, or have missed runs made up for (schedule add --missed once, on the computer)."


class RunOvertaken(DispatchError):
    reason = Reason.REASON_RUN_OVERTAKEN
    sentence = "The run before was not over when it was due."
    advice = "Have it run less often."


class ScheduleUnknown(DispatchError):
    reason = Reason.REASON_SCHEDULE_UNKNOWN
    code = Code.NOT_FOUND
    sentence = "No entry of the schedule has an id that begins so."
    advice = "Look for it: dispatch-host schedule list."


class ModelFailed(DispatchError):
    reason = Reason.REASON_MODEL_FAILED
    sentence = "The model on the phone gave no answer."
    advice = "Send it to the computer: dispatch-phone send --to-host."


class Internal(DispatchError):
    reason = Reason.REASON_INTERNAL
    code = Code.INTERNAL
    sentence = "Something broke inside Dispatch."
    advice = "Try again; if it stays, report it with the time."
