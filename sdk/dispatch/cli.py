"""What every command line of ours shares: options that may stand anywhere, one printer, one table of exit codes.

Called by the `cli.py` of each program. docs/cli.md is the contract.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from dispatch import errors
from dispatch.plain import json_escaped, one_line
from dispatch.version import APP_VERSION
from dispatch.words import ENGLISH, Language, Words

_FLAGS = frozenset({"--json"})
_WITH_VALUE = frozenset({"--home", "--passphrase-file", "--language", "--path"})  # the last is the phone's alone
_CREDENTIAL = "dispatch-passphrase"

HOME_HELP = (
    "Folder with all state of this device. Else that of the system: on Linux ~/.local/share and the program's name, on macOS"
    " ~/Library/Application Support and that."
)
"""Also what `status` says: connectors and agents of one's own are written there."""

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="DISPATCH_PASSPHRASE_FILE",
        help="File with the passphrase that seals this device's keys.",
        show_default=False,
    ),
]

Spoken = Annotated[
    Language | None,
    typer.Option(
        "--language",
        envvar="DISPATCH_LANGUAGE",
        help="The language of what is said to you; without it that of LC_ALL, LC_MESSAGES or LANG.",
        show_default=False,
    ),
]


def _say_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        console = Console.standard(as_json=bool(context.params.get("as_json")))  # `hoist` has put --json before this
        name = context.command.name
        console.event({"event": "version", "program": name, "version": APP_VERSION}, f"{name} {APP_VERSION}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_say_version, help="Say which version this is, and end.")]
"""For the callback of each program. Says it before anything of the device is read."""

POLICY_KEYS = ("policy", "current", "required")
"""What a refusal by the operator's policy names."""


class Exit(IntEnum):
    """Exit codes, the same for every program (docs/cli.md)."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    HOST_AWAY = 3
    FAILED = 4
    DENIED = 5
    NOT_ALLOWED = 6
    NOT_SENT = 7
    NOT_OVER = 8
    REFUSED = 9
    INTERRUPTED = 130


_NOT_ALLOWED = (
    errors.SignInRequired,
    errors.SignInFailed,
    errors.NotPaired,
    errors.DeviceRevoked,
    errors.GrantInvalid,
    errors.GrantExpired,
    errors.ProofInvalid,
)
_DENIED = (errors.SignInDenied, errors.SignInExpired)
_USAGE = (
    errors.TargetNeeded,
    errors.TargetUnknown,
    errors.ScheduleUnknown,
    errors.DeviceUnknown,
    errors.BadRequest,
    errors.NotAPairingCode,
)
_FAULT = (errors.Internal, errors.StoreFailed)


def exit_of(error: errors.DispatchError) -> Exit:
    """Give the exit code of a refusal."""
    table: tuple[tuple[tuple[type[errors.DispatchError], ...], Exit], ...] = (
        ((errors.HostAbsent,), Exit.HOST_AWAY),
        (_NOT_ALLOWED, Exit.NOT_ALLOWED),
        (_DENIED, Exit.DENIED),
        ((errors.NoNetwork,), Exit.NOT_SENT),
        ((errors.NotOver,), Exit.NOT_OVER),
        (_USAGE, Exit.USAGE),
        (_FAULT, Exit.FAULT),
    )
    return next((code for kinds, code in table if isinstance(error, kinds)), Exit.REFUSED)


def hoist(args: Sequence[str]) -> list[str]:
    """Move the shared options to the front; what stands behind `--` is the person's own words and stays."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _FLAGS or (word.partition("=")[0] in _WITH_VALUE and "=" in word):
            front.append(word)
        elif word in _WITH_VALUE:
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return front + rest


@dataclass(frozen=True, slots=True)
class Console:
    """Where a command speaks: JSON lines for programs, words for people."""

    as_json: bool
    out: TextIO
    colour: bool
    words: Words = ENGLISH
    """In the person's language. Programs get English (docs/words.md)."""

    @classmethod
    def standard(cls, *, as_json: bool, language: Language | None = None) -> Console:
        """Speak on standard output, in colour only to a terminal that wants it; without a language in that of the environment."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Programs get UTF-8 wherever they run; a terminal that lacks a sign shows another in its place.
            sys.stdout.reconfigure(encoding="utf-8" if as_json else None, errors="replace")
        colour = not as_json and sys.stdout.isatty() and "NO_COLOR" not in os.environ
        spoken = language or Language.of_environment(os.environ)
        words = ENGLISH if spoken is ENGLISH.language else Words.of(spoken)
        return cls(as_json=as_json, out=sys.stdout, colour=colour, words=words)

    def event(self, event: Mapping[str, Any], words: str = "") -> None:
        """Say one thing: the object for programs, the words (if any) for people. Flushed at once."""
        if self.as_json:
            print(json_escaped(json.dumps(event, ensure_ascii=False)), file=self.out, flush=True)
        elif words:
            print(words, file=self.out, flush=True)

    def styled(self, text: str, **style: Any) -> str:
        """Colour the text if this console has colour."""
        return typer.style(text, **style) if self.colour else text

    def saying(self, error: errors.DispatchError) -> str:
        """Give the sentence and the advice of an error as a person reads them."""
        said = error.words_in(self.words)
        return f"{said.sentence} {said.advice}"

    def not_paired(self, before: str, error: errors.DispatchError) -> str:
        """Give the line that ends a pairing that did not come about."""
        said = error.words_in(self.words)
        return " ".join(filter(None, (before, said.sentence, policy_words(error.metadata), said.advice)))

    def refusal(self, error: errors.DispatchError) -> Exit:
        """Say no with the reason, the sentence and the advice; gives the exit code."""
        word = errors.word(error.reason)
        detail = error.detail if error.detail and error.detail != error.sentence else ""
        event: dict[str, Any] = {"event": "refused", "reason": word, "text": error.sentence, "advice": error.advice}
        if detail:
            event["detail"] = detail
        if error.retry_after_ms:
            event["retry_after_ms"] = error.retry_after_ms
        event.update({name: value for name, value in error.said().items() if name not in event and name != "nonce"})
        sentence, *more = refusal_lines(error, self.words)
        said = error.words_in(self.words).sentence
        marked = said if sentence.startswith(said) else sentence
        lines = [sentence.replace(marked, self.styled(marked, fg="red"), 1), *more]
        self.event(event, "\n".join(lines))
        return exit_of(error)


def refusal_lines(error: errors.DispatchError, words: Words = ENGLISH) -> list[str]:
    """Say no to a person: the sentence with its detail, the operator's policy if there is one, the advice.

    Of a value that was typed wrong only what is wrong with it.
    """
    said = error.words_in(words)
    detail = one_line(error.detail) if error.detail and error.detail != error.sentence else ""
    if isinstance(error, errors.BadRequest) and detail:
        return [one_line(error.line_in(words))]
    policy = policy_words(error.metadata)
    return [
        said.sentence + (f" ({detail})" if detail else ""),
        *([f"  {policy}"] if policy else []),
        f"  {said.advice}",
    ]


def policy_words(told: Mapping[str, Any]) -> str:
    """Say for people which policy of the operator refuses, what is and what would have to be; empty for other refusals."""
    policy, current, required = (one_line(str(told.get(name, "")), 200) for name in POLICY_KEYS)
    return f"The service's policy {policy!r} wants {required}; this is {current}." if policy else ""


def policy_told(error: errors.DispatchError) -> dict[str, str]:
    """Give the same for programs: what of POLICY_KEYS the refusal names."""
    return {name: error.metadata[name] for name in POLICY_KEYS if name in error.metadata}


def passphrase_file(given: Path | None) -> Path | None:
    """Find the passphrase of this device: the given file, else what the service manager hands over; None when there is none."""
    if given is not None:
        return given.expanduser().absolute()
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    handed = Path(credentials) / _CREDENTIAL if credentials else None
    return handed if handed is not None and handed.exists() else None


def program(*, name: str, about: str) -> typer.Typer:
    """Make a program's command line. Its callback takes the shared options; run it with `start`."""
    return typer.Typer(
        name=name,
        help=about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def start(app: typer.Typer) -> None:
    """Run a program on the words that it was started with. Never returns."""
    if any("\udc80" <= sign <= "\udcff" for word in sys.argv[1:] for sign in word):
        typer.echo("Error: the words of a command have to be UTF-8", err=True)
        sys.exit(Exit.USAGE)
    app(args=hoist(sys.argv[1:]))


def guarded(run: Callable[[], Any], *, as_json: bool, language: Language | None = None) -> None:
    """Run a command's body and leave with its exit code; a refusal is said, Ctrl-C and a closed pipe are quiet."""
    console = Console.standard(as_json=as_json, language=language)
    try:
        code = run()
    except errors.DispatchError as error:
        code = console.refusal(error)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`).
        _silence()
        code = Exit.DONE
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        _silence()
        typer.echo("Error: there is no room for the output", err=True)
        code = Exit.FAULT
    raise typer.Exit(int(code or 0))


def _silence() -> None:
    """Let nothing more out: Python would complain once more while it closes standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
