"""Why something was refused, failed or ended: one exception a reason of the contract, with the words for people.

The reason is what travels (frames, unary errors, metric labels, log words); the sentence and the advice are what a
person reads. They are the catalogue's (docs/words.md), here in English: who speaks to a person in another language asks `Words`
by `words_in`. Knows no transport: `dispatch.status` turns these into gRPC statuses and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.words import ENGLISH, Saying, Words


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
    case: ClassVar[str] = ""
    """The key of its words among the cases, where it says something else than its reason does."""
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

    @classmethod
    def words_in(cls, words: Words) -> Saying:
        """Give what a person reads, in their language."""
        return words.cases[cls.case] if cls.case else words.reasons[word(cls.reason)]

    def line_in(self, words: Words) -> str:
        """Give what a person reads on one line: the sentence, the detail in brackets, the advice."""
        said = self.words_in(words)
        detail = f" ({self.detail})" if self.detail and self.detail != self.sentence else ""
        return f"{said.sentence}{detail} {said.advice}"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "reason" in cls.__dict__:
            _BY_REASON[cls.reason] = cls
        if "reason" in cls.__dict__ or "case" in cls.__dict__:
            said = cls.words_in(ENGLISH)
            cls.sentence, cls.advice = said.sentence, said.advice


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


class HostAppClosed(HostAbsent):
    reason = Reason.REASON_HOST_APP_CLOSED


class HostUnreachable(HostAbsent):
    reason = Reason.REASON_HOST_UNREACHABLE


class HostNeverConnected(HostAbsent):
    reason = Reason.REASON_HOST_NEVER_CONNECTED


class HostRevoked(HostAbsent):
    reason = Reason.REASON_HOST_REVOKED


class CommandRefused(DispatchError):
    """A command was not taken; it never runs. The next attempt may be."""


class NotTakenInTime(CommandRefused):
    reason = Reason.REASON_NOT_TAKEN_IN_TIME


class SessionNeeded(CommandRefused):
    reason = Reason.REASON_SESSION_NEEDED


class StaleEpoch(CommandRefused):
    reason = Reason.REASON_STALE_EPOCH


class GrantInvalid(CommandRefused):
    reason = Reason.REASON_GRANT_INVALID


class DeadlinePassed(CommandRefused):
    reason = Reason.REASON_DEADLINE_PASSED


class QueueFull(CommandRefused):
    reason = Reason.REASON_QUEUE_FULL
    code = Code.RESOURCE_EXHAUSTED


class IdReused(CommandRefused):
    reason = Reason.REASON_ID_REUSED
    code = Code.ALREADY_EXISTS


class AttemptSuperseded(CommandRefused):
    reason = Reason.REASON_ATTEMPT_SUPERSEDED


class TaskUnknown(CommandRefused):
    reason = Reason.REASON_TASK_UNKNOWN
    code = Code.NOT_FOUND


class TaskOver(CommandRefused):
    reason = Reason.REASON_TASK_OVER


class ScheduleOnHost(CommandRefused):
    reason = Reason.REASON_SCHEDULE_ON_HOST


class SignatureInvalid(CommandRefused):
    reason = Reason.REASON_SIGNATURE_INVALID
    code = Code.PERMISSION_DENIED


class NotSupported(CommandRefused):
    reason = Reason.REASON_NOT_SUPPORTED


class QuestionClosed(CommandRefused):
    reason = Reason.REASON_QUESTION_CLOSED


class QuestionUnseen(CommandRefused):
    reason = Reason.REASON_QUESTION_UNSEEN


class NotSteerable(CommandRefused):
    reason = Reason.REASON_NOT_STEERABLE


class StreamRefused(DispatchError):
    """A stream or a call was refused or ended."""


class GrantExpired(StreamRefused):
    reason = Reason.REASON_GRANT_EXPIRED
    code = Code.UNAUTHENTICATED


class ProofInvalid(StreamRefused):
    reason = Reason.REASON_PROOF_INVALID
    code = Code.UNAUTHENTICATED


class NonceExpired(StreamRefused):
    reason = Reason.REASON_NONCE_EXPIRED
    code = Code.UNAUTHENTICATED


class StreamSuperseded(StreamRefused):
    reason = Reason.REASON_STREAM_SUPERSEDED
    code = Code.ABORTED


class ResumeTooOld(StreamRefused):
    reason = Reason.REASON_RESUME_TOO_OLD
    code = Code.OUT_OF_RANGE


class ProtocolViolation(StreamRefused):
    reason = Reason.REASON_PROTOCOL_VIOLATION
    code = Code.INVALID_ARGUMENT


class VersionUnsupported(StreamRefused):
    reason = Reason.REASON_VERSION_UNSUPPORTED


class AppTooOld(StreamRefused):
    reason = Reason.REASON_APP_TOO_OLD


class NotPaired(StreamRefused):
    reason = Reason.REASON_NOT_PAIRED
    code = Code.PERMISSION_DENIED


class NotPairedYet(NotPaired):
    """The same reason, said by a device that knows that it never was."""

    case = "NOT_PAIRED_YET"


class DeviceRevoked(StreamRefused):
    reason = Reason.REASON_DEVICE_REVOKED
    code = Code.PERMISSION_DENIED


class TrustStale(StreamRefused):
    reason = Reason.REASON_TRUST_STALE
    code = Code.UNAVAILABLE


class Draining(StreamRefused):
    reason = Reason.REASON_DRAINING
    code = Code.UNAVAILABLE


class TooLarge(StreamRefused):
    reason = Reason.REASON_TOO_LARGE
    code = Code.RESOURCE_EXHAUSTED


class RateLimited(StreamRefused):
    reason = Reason.REASON_RATE_LIMITED
    code = Code.RESOURCE_EXHAUSTED


class PeerAbsent(StreamRefused):
    reason = Reason.REASON_PEER_ABSENT


class LeaseLost(StreamRefused):
    reason = Reason.REASON_LEASE_LOST
    code = Code.UNAVAILABLE


class NoNetwork(StreamRefused):
    reason = Reason.REASON_NO_NETWORK
    code = Code.UNAVAILABLE


class TlsFailed(NoNetwork):
    reason = Reason.REASON_TLS_FAILED


class PairingRefused(DispatchError):
    """The pairing service said no."""


class SignInRequired(PairingRefused):
    reason = Reason.REASON_SIGN_IN_REQUIRED
    code = Code.UNAUTHENTICATED


class SignInFailed(PairingRefused):
    reason = Reason.REASON_SIGN_IN_FAILED
    code = Code.UNAUTHENTICATED


class AccountExists(PairingRefused):
    reason = Reason.REASON_ACCOUNT_EXISTS
    code = Code.ALREADY_EXISTS


class AccountUnknown(PairingRefused):
    reason = Reason.REASON_ACCOUNT_UNKNOWN
    code = Code.NOT_FOUND


class OfferUnknown(PairingRefused):
    reason = Reason.REASON_OFFER_UNKNOWN
    code = Code.NOT_FOUND


class OfferExpired(PairingRefused):
    reason = Reason.REASON_OFFER_EXPIRED


class OfferReplaced(PairingRefused):
    reason = Reason.REASON_OFFER_REPLACED
    code = Code.ABORTED


class OfferClaimed(PairingRefused):
    reason = Reason.REASON_OFFER_CLAIMED
    code = Code.ALREADY_EXISTS


class OtherAccount(PairingRefused):
    reason = Reason.REASON_OTHER_ACCOUNT
    code = Code.PERMISSION_DENIED


class OtherService(PairingRefused):
    reason = Reason.REASON_OTHER_SERVICE


class NotAPairingCode(PairingRefused):
    reason = Reason.REASON_NOT_A_PAIRING_CODE
    code = Code.INVALID_ARGUMENT


class RefusedByPerson(PairingRefused):
    reason = Reason.REASON_PAIRING_REFUSED
    code = Code.ABORTED


class HandshakeFailed(PairingRefused):
    reason = Reason.REASON_HANDSHAKE_FAILED
    code = Code.ABORTED


class AttestationMismatch(PairingRefused):
    reason = Reason.REASON_ATTESTATION_MISMATCH
    code = Code.PERMISSION_DENIED


class PlanNotAllowed(PairingRefused):
    reason = Reason.REASON_PLAN_NOT_ALLOWED
    code = Code.PERMISSION_DENIED


class TooManyDevices(PairingRefused):
    reason = Reason.REASON_TOO_MANY_DEVICES
    code = Code.RESOURCE_EXHAUSTED


class NoRelay(PairingRefused):
    reason = Reason.REASON_NO_RELAY
    code = Code.UNAVAILABLE


class BadRequest(PairingRefused):
    reason = Reason.REASON_BAD_REQUEST
    code = Code.INVALID_ARGUMENT

    def line_in(self, words: Words) -> str:
        """Give what is wrong, in its own words where there are some: though in English, they say more than the catalogue."""
        detail = self.detail.strip()
        if not detail or detail == self.sentence:
            return super().line_in(words)
        return f"{detail[0].upper()}{detail[1:]}{'' if detail[-1] in '.!?' else '.'}"


class SignInPending(PairingRefused):
    reason = Reason.REASON_SIGN_IN_PENDING
    code = Code.UNAVAILABLE


class SignUpClosed(PairingRefused):
    """Carries metadata "policy", "current", "required"."""

    reason = Reason.REASON_SIGN_UP_CLOSED
    code = Code.PERMISSION_DENIED


class NoProvider(PairingRefused):
    reason = Reason.REASON_NO_PROVIDER
    code = Code.FAILED_PRECONDITION


class DeviceUnknown(PairingRefused):
    reason = Reason.REASON_DEVICE_UNKNOWN
    code = Code.NOT_FOUND


class SignInDenied(PairingRefused):
    reason = Reason.REASON_SIGN_IN_DENIED
    code = Code.PERMISSION_DENIED


class SignInExpired(PairingRefused):
    reason = Reason.REASON_SIGN_IN_EXPIRED


class ProviderUnreachable(PairingRefused):
    reason = Reason.REASON_PROVIDER_UNREACHABLE
    code = Code.UNAVAILABLE


class ProviderFailed(PairingRefused):
    reason = Reason.REASON_PROVIDER_FAILED


class TaskNotDone(DispatchError):
    """An accepted task ended otherwise than done."""


class NotUnderstood(TaskNotDone):
    reason = Reason.REASON_NOT_UNDERSTOOD


class NeedsAgent(TaskNotDone):
    reason = Reason.REASON_NEEDS_AGENT


class NotPermitted(TaskNotDone):
    """Raised by the gate to an agent; `metadata` names the permission."""

    reason = Reason.REASON_NOT_PERMITTED
    code = Code.PERMISSION_DENIED


class PermissionTakenBack(TaskNotDone):
    reason = Reason.REASON_PERMISSION_TAKEN_BACK


class SandboxUnavailable(TaskNotDone):
    reason = Reason.REASON_SANDBOX_UNAVAILABLE


class AgentUnavailable(TaskNotDone):
    """`detail` says why; `metadata` names the agent."""

    reason = Reason.REASON_AGENT_UNAVAILABLE


class LimitReached(TaskNotDone):
    reason = Reason.REASON_LIMIT_REACHED


class ProgramFailed(TaskNotDone):
    reason = Reason.REASON_PROGRAM_FAILED


class ToolUnavailable(TaskNotDone):
    reason = Reason.REASON_TOOL_UNAVAILABLE


class FolderNotApproved(TaskNotDone):
    reason = Reason.REASON_FOLDER_NOT_APPROVED


class AgentFailed(TaskNotDone):
    reason = Reason.REASON_AGENT_FAILED


class Watchdog(TaskNotDone):
    reason = Reason.REASON_WATCHDOG


class CancelledByPerson(TaskNotDone):
    reason = Reason.REASON_CANCELLED_BY_PERSON


class HostStopped(TaskNotDone):
    reason = Reason.REASON_HOST_STOPPED


class HostDied(TaskNotDone):
    reason = Reason.REASON_HOST_DIED


class NeverStarted(TaskNotDone):
    reason = Reason.REASON_NEVER_STARTED


class HostSlept(TaskNotDone):
    reason = Reason.REASON_HOST_SLEPT


class PersonDenied(TaskNotDone):
    reason = Reason.REASON_PERSON_DENIED


class NobodyAnswered(TaskNotDone):
    reason = Reason.REASON_NOBODY_ANSWERED


class InputUnreadable(TaskNotDone):
    reason = Reason.REASON_INPUT_UNREADABLE


class Dismissed(TaskNotDone):
    reason = Reason.REASON_DISMISSED


class NotOver(TaskNotDone):
    reason = Reason.REASON_NOT_OVER


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


class TargetNeeded(TargetUnclear):
    reason = Reason.REASON_TARGET_NEEDED
    code = Code.INVALID_ARGUMENT


class TargetUnknown(TargetUnclear):
    reason = Reason.REASON_TARGET_UNKNOWN
    code = Code.NOT_FOUND


class StoreFailed(DeviceFault):
    reason = Reason.REASON_STORE_FAILED
    code = Code.DATA_LOSS


class StoreFailedThere(StoreFailed):
    """The same reason, said to a phone of a command that was refused."""

    case = "STORE_FAILED_THERE"


class NotRunning(DeviceFault):
    reason = Reason.REASON_NOT_RUNNING


class KeepAwakeOff(DeviceFault):
    """Said as a warning beside a task, never raised: nothing was refused."""

    reason = Reason.REASON_KEEP_AWAKE_OFF


class KeepAwakeDenied(DeviceFault):
    """As KeepAwakeOff: said, never raised."""

    reason = Reason.REASON_KEEP_AWAKE_DENIED


class KeepAwakeUnavailable(DeviceFault):
    """As KeepAwakeOff: said, never raised."""

    reason = Reason.REASON_KEEP_AWAKE_UNAVAILABLE


class FileFault(DispatchError):
    """A file does not get where it should."""


class AttachmentMissing(FileFault):
    reason = Reason.REASON_ATTACHMENT_MISSING


class FileUnknown(FileFault):
    reason = Reason.REASON_FILE_UNKNOWN
    code = Code.NOT_FOUND


class FileChanged(FileFault):
    reason = Reason.REASON_FILE_CHANGED


class NoRoom(FileFault):
    reason = Reason.REASON_NO_ROOM
    code = Code.RESOURCE_EXHAUSTED


class TransferFailed(FileFault):
    reason = Reason.REASON_TRANSFER_FAILED
    code = Code.UNAVAILABLE


class RunMissed(DispatchError):
    """Said of times at which a scheduled task was due, never raised: so are its kin."""

    reason = Reason.REASON_RUN_MISSED


class RunOvertaken(DispatchError):
    reason = Reason.REASON_RUN_OVERTAKEN


class ScheduleUnknown(DispatchError):
    reason = Reason.REASON_SCHEDULE_UNKNOWN
    code = Code.NOT_FOUND


class ModelFailed(DispatchError):
    reason = Reason.REASON_MODEL_FAILED


class Internal(DispatchError):
    reason = Reason.REASON_INTERNAL
    code = Code.INTERNAL
