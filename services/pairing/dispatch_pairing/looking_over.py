"""What can be seen to be wrong with a service before it starts: its files, its folder, and options that don't go together.

Called by the command line, whose own part is what each option says by itself. Starts nothing and writes nothing.
"""

from __future__ import annotations

from dispatch.mistakes import Mistakes
from dispatch.names import service_name
from dispatch.runtime.descriptors import make_room
from dispatch.tls import read_authorities

from dispatch_pairing.app import Settings
from dispatch_pairing.limits import Limits
from dispatch_pairing.listeners import check


def look_over(settings: Settings, limits: Limits, wrong: Mistakes) -> None:
    """Add all mistakes that are found. Raises this process's limit of open files, as a start does."""
    wrong.folder("--data", settings.storage.data)
    if settings.storage.keys != settings.storage.data:
        wrong.folder("--keys", settings.storage.keys)
    if settings.name is not None:
        wrong.option("--name", service_name, settings.name, instead="")
    wrong.look(
        lambda: check(
            settings.listen,
            certificate=settings.certificate,
            services=settings.services,
            metrics=settings.metrics,
            web=settings.web,
            plaintext=settings.plaintext,
        )
    )
    shown = [
        settings.certificate,
        None if settings.services is None else settings.services.certificate,
        None if settings.web is None else settings.web.certificate,
    ]
    for files in shown:
        if files is not None:
            wrong.look(files.check)
    if settings.provider is not None and settings.provider.ca is not None:
        ca = settings.provider.ca
        wrong.look(lambda: read_authorities(ca))
    wrong.look(lambda: make_room(connections=0 if settings.web is None else limits.web_connections))
