"""The command line of a host. Reads words and environment and hands them on; docs/cli.md is its contract.

Every command but `run` and those about the account speaks to a front desk: that of the running host through its socket, or
its own when nobody else owns the home. What is slow to import is imported where it is needed, so that `--help` is quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dispatch import errors
from dispatch.address import Address, refuse_plaintext
from dispatch.cli import Console, Exit, PassphraseFile, guarded, passphrase_file, policy_told, policy_words, program
from dispatch.device.owner_cli import add_owner_commands

from dispatch_host.keep_awake_command import add_keep_awake
from dispatch_host.thread_command import add_thread

if TYPE_CHECKING:
    from dispatch.device.home import Home
    from dispatch.tls import Dialler, KeyFiles

    from dispatch_host.operations import Front

app = program(
    name="dispatch-host", about="Does the work that your phone sends, on this computer, within the limits you set."
)
folders = typer.Typer(help="Which folders agents may read or change.", no_args_is_help=True)
app.add_typer(folders, name="folders")

_APP = "dispatch-host"
_SOCKET_SECONDS = 3.0
_END_SECONDS = 6.0
_HOLDS_HOME = (
    "It holds this host's own home (its keys and journal), which agents are kept out of; they see all the rest of it."
)

Phone = Annotated[str, typer.Option("--phone", help="The phone's name; not needed with one phone only.")]


class _Shared:
    """The shared options, and what follows from them."""

    def __init__(self, *, as_json: bool, home: str | None, passphrase: Path | None) -> None:
        self.as_json = as_json
        self.console = Console.standard(as_json=as_json)
        self._home = home
        self._passphrase = passphrase_file(passphrase)

    @property
    def home(self) -> Home:
        from dispatch.device.home import Home  # noqa: PLC0415 -- quick `--help`

        return Home.at(self._home, app=_APP, passphrase_file=self._passphrase)


@app.callback()
def _shared(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    home: Annotated[
        str | None, typer.Option("--home", envvar="DISPATCH_HOME", help="Folder with all state of this device.")
    ] = None,
    passphrase: PassphraseFile = None,
) -> None:
    context.obj = _Shared(as_json=as_json, home=home, passphrase=passphrase)
    # Whatever this program writes is for its own user only; what agents write into approved folders, they decide.
    os.umask(0o077)


def _do(shared: _Shared, work: Callable[[], Awaitable[Exit]]) -> None:
    async def body() -> Exit:
        return await work()

    guarded(lambda: asyncio.run(body()), as_json=shared.as_json)


def _at_desk(shared: _Shared, work: Callable[[Front], Awaitable[Exit]]) -> None:
    """Do something at the front desk: the running host's, or our own."""

    async def body() -> Exit:
        async with _front(shared.home) as front:
            return await work(front)

    _do(shared, body)


@contextlib.asynccontextmanager
async def _front(home: Home) -> AsyncIterator[Front]:
    from dispatch_host.control import ControlClient  # noqa: PLC0415 -- quick `--help`
    from dispatch_host.operations import Operations  # noqa: PLC0415
    from dispatch_host.owned import owning  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        try:
            owned = stack.enter_context(owning(home, plaintext=_plaintext()))
        except errors.HomeInUse as in_use:
            await _socket(home, in_use)
        else:
            yield Operations(owned, running=None)
            return
    async with ControlClient(home) as client:
        yield client


async def _socket(home: Home, in_use: errors.HomeInUse) -> None:
    """Wait a moment for the socket of a host that is just starting. Raises HomeInUse when there is none."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _SOCKET_SECONDS
    while not home.socket().exists():
        if loop.time() > until:
            raise in_use
        await asyncio.sleep(0.05)


def _plaintext() -> bool:
    return os.environ.get("DISPATCH_PLAINTEXT") == "1"


Server = Annotated[str, typer.Option(help="HOST:PORT of the pairing service.", show_default=False)]
AccountName = Annotated[str, typer.Option("--account", help="The account's name.", show_default=False)]
DeviceName = Annotated[
    str, typer.Option("--name", help="What this computer is called on the phone.", show_default=False)
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Authorities = Annotated[
    Path | None,
    typer.Option("--ca", envvar="DISPATCH_CA", help="PEM file of the authority that signed the servers' certificates."),
]


@app.command()
def login(
    context: typer.Context,
    server: Server,
    name: DeviceName,
    account: Annotated[str | None, typer.Option("--account", help="The account's name.", show_default=False)] = None,
    provider: Annotated[
        bool, typer.Option("--provider", help="Sign in at the service's provider, in any browser, instead.")
    ] = False,
    password_stdin: FromStdin = False,
    ca: Authorities = None,
) -> None:
    """Sign this computer in to an account."""
    shared: _Shared = context.obj
    if provider == (account is not None) or (provider and password_stdin):
        raise typer.BadParameter("give either --account NAME, with a password, or --provider")

    async def work() -> Exit:
        from dispatch_host.account_commands import Way, log_in, log_in_at_provider  # noqa: PLC0415 -- quick `--help`

        dialler = _dialler(server, ca)
        if account is None:
            return await log_in_at_provider(shared.home, shared.console, server=server, dialler=dialler, name=name)
        password = _secret("Password", from_stdin=password_stdin)
        way = Way(server=server, dialler=dialler, account=account, password=password, name=name)
        return await log_in(shared.home, shared.console, way)

    _do(shared, work)


@app.command()
def signup(
    context: typer.Context,
    server: Server,
    account: AccountName,
    name: DeviceName,
    password_stdin: FromStdin = False,
    invitation_stdin: Annotated[
        bool, typer.Option("--invitation-stdin", help="Read an invitation from the next line of standard input.")
    ] = False,
    ca: Authorities = None,
) -> None:
    """Make an account and sign this computer in to it, where the service lets people do so."""
    shared: _Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.account_commands import Way, sign_up  # noqa: PLC0415 -- quick `--help`

        dialler = _dialler(server, ca)
        password = _secret("Password", from_stdin=password_stdin, new=True)
        invitation = _secret("Invitation", from_stdin=True) if invitation_stdin else ""
        way = Way(server=server, dialler=dialler, account=account, password=password, name=name)
        return await sign_up(shared.home, shared.console, way, invitation=invitation)

    _do(shared, work)


@app.command()
def logout(
    context: typer.Context,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Every device of the account, and the web.")] = False,
) -> None:
    """Sign this computer out. What is paired stays so, and goes on."""
    shared: _Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.account_commands import log_out  # noqa: PLC0415 -- quick `--help`

        return await log_out(shared.home, shared.console, everywhere=everywhere, plaintext=_plaintext())

    _do(shared, work)


@app.command()
def password(
    context: typer.Context,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the old one and, on the next line, the new one.")
    ] = False,
) -> None:
    """Change the account's password; every other device is signed out."""
    shared: _Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.account_commands import change_password  # noqa: PLC0415 -- quick `--help`

        old = _secret("Password so far", from_stdin=password_stdin)
        new = _secret("New password", from_stdin=password_stdin, new=True)
        return await change_password(shared.home, shared.console, old=old, new=new, plaintext=_plaintext())

    _do(shared, work)


def _dialler(server: str, ca: Path | None) -> Dialler:
    from dispatch.tls import Dialler, read_authorities  # noqa: PLC0415 -- quick `--help`

    try:
        Address.parse(server)
        return Dialler(ca="" if ca is None else read_authorities(ca), plaintext=_plaintext())
    except ValueError as failure:
        raise errors.BadRequest(str(failure)) from failure


def _secret(what: str, *, from_stdin: bool, new: bool = False) -> str:
    """Read the next line of standard input, or ask a person, twice for a new one."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise errors.BadRequest("pass the password on standard input, with --password-stdin")
    return str(typer.prompt(what, hide_input=True, err=True, confirmation_prompt=new))


@app.command()
def pair(
    context: typer.Context,
    qr_png: Annotated[Path | None, typer.Option(help="Write the code as a PNG here.")] = None,
    qr_svg: Annotated[Path | None, typer.Option(help="Write the code as an SVG here.")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Give up after this many seconds; 0 for never.")] = 0,
) -> None:
    """Show codes until a phone is paired; then ask whether both show the same six digits."""
    shared: _Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.pair_command import pair_at  # noqa: PLC0415 -- quick `--help`

        try:
            async with _front(shared.home) as front:
                return await pair_at(front, shared.console, png=qr_png, svg=qr_svg, timeout_seconds=timeout)
        except errors.BadRequest:
            raise
        except errors.DispatchError as error:
            shared.console.event(
                {
                    "event": "not_paired",
                    "reason": errors.word(error.reason),
                    "text": error.sentence,
                    "advice": error.advice,
                    **policy_told(error),
                },
                " ".join(filter(None, ("Not paired:", error.sentence, policy_words(error.metadata), error.advice))),
            )
            return Exit.FAILED

    _do(shared, work)


@folders.command("add")
def add_folder(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The folder.", show_default=False)],
    write: Annotated[bool, typer.Option("--write", help="Agents may also change what is in it.")] = False,
) -> None:
    """Approve a folder, in force at once; again to change its access."""
    shared: _Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.api.host.v1.host_pb2 import Folder  # noqa: PLC0415 -- quick `--help`

        from dispatch_host import telling  # noqa: PLC0415

        folder = await front.add_folder(Folder(path=_absolute(path), writable=write))
        may = "read and change" if folder.writable else "read"
        told, words = {"event": "folder", **telling.folder(folder)}, f"Agents may {may} {folder.path}"
        if Path(folder.path) in shared.home.path.resolve().parents:
            told["warning"] = _HOLDS_HOME
            words += f"\n{shared.console.styled(_HOLDS_HOME, fg='yellow')}"
        shared.console.event(told, words)
        return Exit.DONE

    _at_desk(shared, work)


@folders.command("list")
def list_folders(context: typer.Context) -> None:
    """List the approved folders."""
    shared: _Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        found = (await front.list_folders()).folders
        for folder in found:
            words = f"{'read, change' if folder.writable else 'read':14}{folder.path}"
            shared.console.event({"event": "folder", **telling.folder(folder)}, words)
        if not found and not shared.as_json:
            shared.console.event({}, "No folder is approved. dispatch-host folders add PATH")
        return Exit.DONE

    _at_desk(shared, work)


@folders.command("remove")
def remove_folder(
    context: typer.Context, path: Annotated[Path, typer.Argument(help="The folder.", show_default=False)]
) -> None:
    """Take an approval back, in force at once."""
    shared: _Shared = context.obj

    async def work(front: Front) -> Exit:
        absolute = _absolute(path)
        removed = await front.remove_folder(absolute)
        words = f"Agents may no longer touch {absolute}" if removed else f"{absolute} was not approved"
        shared.console.event({"event": "removed", "path": absolute, "removed": removed}, words)
        return Exit.DONE

    _at_desk(shared, work)


def _absolute(path: Path) -> str:
    """Give the path as others see it. Raises BadRequest for one that no message can hold."""
    absolute = os.path.abspath(path.expanduser())
    try:
        absolute.encode()
    except UnicodeEncodeError:
        raise errors.BadRequest("the path is not UTF-8; approve the folder above it") from None
    return absolute


@app.command()
def run(
    context: typer.Context,
    metrics: Annotated[str | None, typer.Option(help="HOST:PORT of the Prometheus metrics.")] = None,
    metrics_cert: Annotated[
        Path | None, typer.Option(help="PEM file: the certificate shown there, off this computer.")
    ] = None,
    metrics_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
) -> None:
    """Do the work that paired phones send, until SIGTERM, Ctrl-C or `stop`. Without a pairing it waits for one."""
    shared: _Shared = context.obj

    def body() -> Exit:
        from dispatch.tls import KeyFiles  # noqa: PLC0415 -- quick `--help`

        from dispatch_host import settings  # noqa: PLC0415

        limits = settings.limits(os.environ)
        try:
            keys = KeyFiles.given(metrics_cert, metrics_key, option="--metrics")
            metrics_at = None if metrics is None else Address.parse(metrics)
            if metrics_at is not None and keys is None:
                refuse_plaintext(metrics_at, allowed=_plaintext())
            return _run(shared, limits, metrics_at, keys)
        except ValueError as failure:
            raise errors.BadRequest(str(failure)) from failure
        except OSError as failure:
            shared.console.event(
                {"event": "failed", "text": str(failure)}, shared.console.styled(str(failure), fg="red")
            )
            return Exit.FAULT

    guarded(body, as_json=shared.as_json)


def _run(shared: _Shared, limits: Any, metrics_at: Address | None, keys: KeyFiles | None) -> Exit:
    import uvloop  # noqa: PLC0415 -- quick `--help`
    from dispatch.runtime.certificate import CertificateFiles  # noqa: PLC0415
    from dispatch.runtime.logs import configure  # noqa: PLC0415

    from dispatch_host.agents.builtin import BuiltIn  # noqa: PLC0415
    from dispatch_host.app import run as run_host  # noqa: PLC0415
    from dispatch_host.owned import owning  # noqa: PLC0415
    from dispatch_host.power import best_means, best_sleep_watch  # noqa: PLC0415
    from dispatch_host.run_command import told_on  # noqa: PLC0415

    configure(service="host")
    with owning(shared.home, plaintext=_plaintext()) as owned:
        passphrase = owned.home.passphrase_file
        uvloop.run(
            run_host(
                owned,
                agent=BuiltIn(
                    keep_out=[owned.home.path, *([passphrase] if passphrase else [])], environment=os.environ
                ),
                agent_name="built-in",
                sleep=best_sleep_watch(),
                awake_means=best_means(),
                limits=limits,
                metrics_at=metrics_at,
                metrics_certificate=None if keys is None else CertificateFiles(keys=keys),
                told=told_on(shared.console),
            )
        )
    shared.console.event({"event": "stopped"}, "Stopped.")
    return Exit.DONE


@app.command()
def status(context: typer.Context) -> None:
    """Say whether it runs, who is paired, what it works on and what agents may touch."""
    shared: _Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        found = await front.status()
        shared.console.event(telling.status(found), "\n".join(telling.status_lines(found)))
        return Exit.DONE

    _at_desk(shared, work)


@app.command()
def unpair(context: typer.Context, phone: Phone = "") -> None:
    """End a pairing: the phone can send nothing more from this moment on."""
    shared: _Shared = context.obj

    async def work(front: Front) -> Exit:
        ended = await front.unpair(phone)
        later = "" if ended.service_told else " The pairing service will be told when it can be reached."
        shared.console.event(
            {
                "event": "unpaired",
                "pair_ids": [pair_id.hex() for pair_id in ended.pair_ids],
                "service_told": ended.service_told,
            },
            f"Unpaired.{later}",
        )
        return Exit.DONE

    _at_desk(shared, work)


@app.command()
def stop(context: typer.Context) -> None:
    """End the running host: its task is interrupted, the phones are told. Without one there is nothing to do."""
    shared: _Shared = context.obj

    async def work() -> Exit:
        from dispatch.api.relay.v1.relay_pb2 import Condition  # noqa: PLC0415 -- quick `--help`

        from dispatch_host.control import ControlClient  # noqa: PLC0415

        home, was_running = shared.home, True
        try:
            async with ControlClient(home) as client:
                await client.stop(Condition.CONDITION_APP_CLOSED)
            await _until_free(home)
        except errors.NotRunning:
            was_running = False
        words = "Stopped." if was_running else "It was not running."
        shared.console.event({"event": "stopped", "was_running": was_running}, words)
        return Exit.DONE

    _do(shared, work)


def _with_the_account(context: typer.Context, request: dict[str, Any], nothing: str) -> None:
    shared: _Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.owner_command import with_the_account  # noqa: PLC0415 -- quick `--help`

        return await with_the_account(shared.home, shared.console, request, nothing=nothing, plaintext=_plaintext())

    _do(shared, work)


add_owner_commands(app, _with_the_account)
add_keep_awake(app, _at_desk)
add_thread(app, _at_desk)


async def _until_free(home: Home) -> None:
    """Wait until the process has let go of the home, so that a `run` right behind works."""
    async with asyncio.timeout(_END_SECONDS):
        while True:
            try:
                with home.owned():
                    return
            except errors.HomeInUse:
                await asyncio.sleep(0.05)
