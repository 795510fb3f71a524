"""What can be seen to be wrong with a relay before it starts: its files, its folder, what is not installed.

Called by the command line, whose own part is what each option says and what goes together. Starts nothing and writes nothing.
"""

from __future__ import annotations

from dispatch.mistakes import Mistakes
from dispatch.runtime.certificate import CertificateFiles
from dispatch.runtime.descriptors import make_room
from dispatch.tls import read_authorities

from dispatch_relay.options import Options
from dispatch_relay.push import opening
from dispatch_relay.settings import PREFIX, Settings


def look_over(options: Options, settings: Settings, wrong: Mistakes) -> None:
    """Add all mistakes that are found. Raises this process's limit of open files, as a start does."""
    wrong.folder("--data", options.data)
    if options.certificate is not None:
        wrong.look(options.certificate.check)
    if options.services is not None:
        wrong.look(CertificateFiles(keys=options.services).check)
    if options.services_ca is not None:
        authorities = options.services_ca
        wrong.look(lambda: read_authorities(authorities))
    if options.web is not None and options.web.certificate is not None:
        wrong.look(options.web.certificate.check)
    opening.look_over(options.push, data=options.data, timeout_ms=settings.push_timeout_ms, wrong=wrong)
    connections = 0 if options.web is None else settings.web_connections
    wrong.look(lambda: make_room(connections=connections, setting=PREFIX + "WEB_CONNECTIONS"))
