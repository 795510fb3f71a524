"""`dispatch-host run`: reads its options and the environment, and runs the host. Added to the program by `cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from dispatch import errors
from dispatch.address import Address, refuse_plaintext
from dispatch.cli import Exit, guarded
from dispatch.mistakes import Mistakes, all_well

from dispatch_host.command import COMMAND_SECONDS, Shared

if TYPE_CHECKING:
    from dispatch.tls import KeyFiles

    from dispatch_host.browser.reach import Reach
    from dispatch_host.direct.listener import Setting
    from dispatch_host.limits import Limits

Direct = Annotated[
    str,
    typer.Option(
        envvar="DISPATCH_HOST_DIRECT",
        help="Whether a phone on the same network may come directly: on, off, or HOST:PORT to listen at.",
    ),
]

Advertise = Annotated[
    str | None,
    typer.Option(
        envvar="DISPATCH_HOST_DIRECT_ADVERTISE",
        help="HOST:PORT that phones are told in place of where it listens: a forwarded port, as of a container.",
    ),
]

BrowserNetworks = Annotated[
    str,
    typer.Option(
        envvar="DISPATCH_HOST_BROWSER_NETWORKS",
        help="Networks besides the public internet that the browser may reach: 127.0.0.1/32,192.168.1.0/24.",
    ),
]


def run(
    context: typer.Context,
    metrics: Annotated[str | None, typer.Option(help="HOST:PORT of the Prometheus metrics.")] = None,
    metrics_cert: Annotated[
        Path | None, typer.Option(help="PEM file: the certificate shown there, off this computer.")
    ] = None,
    metrics_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
    direct: Direct = "on",
    direct_advertise: Advertise = None,
    browser_networks: BrowserNetworks = "",
    check: Annotated[
        bool,
        typer.Option("--check", help="Look over options, files and settings, say all mistakes, and start nothing."),
    ] = False,
) -> None:
    """Do the work that paired phones send, until SIGTERM, Ctrl-C or `stop`. Without a pairing it waits for one."""
    shared: Shared = context.obj

    def body() -> Exit:
        from dispatch.device.key_store import read_passphrase  # noqa: PLC0415 -- quick `--help`
        from dispatch.runtime.certificate import CertificateFiles  # noqa: PLC0415
        from dispatch.tls import KeyFiles  # noqa: PLC0415

        from dispatch_host import settings  # noqa: PLC0415
        from dispatch_host.browser.reach import Reach  # noqa: PLC0415
        from dispatch_host.direct.listener import Setting  # noqa: PLC0415
        from dispatch_host.limits import Limits  # noqa: PLC0415

        wrong = Mistakes()
        try:
            limits = wrong.read(lambda: settings.limits(shared.environment), instead=Limits())
            keys = wrong.read(lambda: KeyFiles.given(metrics_cert, metrics_key, option="--metrics"), instead=None)
            metrics_at = wrong.optional("--metrics", Address.parse, metrics)
            if metrics_at is not None and keys is None:
                wrong.look(lambda: refuse_plaintext(metrics_at, allowed=shared.plaintext))
            if keys is not None:
                wrong.look(CertificateFiles(keys=keys).check)
            reach = wrong.option("--browser-networks", Reach.parse, browser_networks, instead=Reach())
            where = wrong.option("--direct", Setting.parse, direct, instead=None)
            if direct_advertise is not None and where is not None:
                where = wrong.option("--direct-advertise", where.telling, direct_advertise, instead=where)
            wrong.folder("--home", shared.home.path)
            if (passphrase := shared.home.passphrase_file) is not None:
                wrong.look(lambda: read_passphrase(passphrase))
            if wrong.said:
                return wrong.refusal(shared.console)
            if check:
                return all_well(shared.console)
            return _run(shared, limits, metrics_at, keys, where, reach)
        except ValueError as failure:
            raise errors.BadRequest(str(failure)) from failure
        except OSError as failure:
            shared.console.event(
                {"event": "failed", "text": str(failure)}, shared.console.styled(str(failure), fg="red")
            )
            return Exit.FAULT

    guarded(body, as_json=shared.as_json, language=shared.language)


def _run(
    shared: Shared,
    limits: Limits,
    metrics_at: Address | None,
    keys: KeyFiles | None,
    direct: Setting | None,
    reach: Reach,
) -> Exit:
    import uvloop  # noqa: PLC0415 -- quick `--help`
    from dispatch.runtime.certificate import CertificateFiles  # noqa: PLC0415
    from dispatch.runtime.logs import configure  # noqa: PLC0415

    from dispatch_host.app import run as run_host  # noqa: PLC0415
    from dispatch_host.known_agents import known_agents  # noqa: PLC0415
    from dispatch_host.known_tools import known_tools  # noqa: PLC0415
    from dispatch_host.owned import owning  # noqa: PLC0415
    from dispatch_host.power import best_means, best_sleep_watch  # noqa: PLC0415
    from dispatch_host.run_command import told_on  # noqa: PLC0415

    configure(service="host")
    with owning(
        shared.home,
        plaintext=shared.plaintext,
        environment=shared.environment,
        patience_seconds=COMMAND_SECONDS,
    ) as owned:
        tools = known_tools(owned, shared.environment)
        uvloop.run(
            run_host(
                owned,
                agents=known_agents(owned, shared.environment, toolboxes=tools.toolboxes, reach=reach),
                tools=tools,
                sleep=best_sleep_watch(),
                awake_means=best_means(),
                limits=limits,
                metrics_at=metrics_at,
                metrics_certificate=None if keys is None else CertificateFiles(keys=keys),
                told=told_on(shared.console),
                direct=direct,
            )
        )
    shared.console.event({"event": "stopped"}, "Stopped.")
    return Exit.DONE
