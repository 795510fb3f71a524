"""What a process has that owns a host's home: the lock, the journal, the secrets. Made by `run`, or by a command without one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import Clock, SystemClock
from dispatch.device.home import Home
from dispatch.device.key_store import key_store
from dispatch.device.keys import DeviceKey, KeyStore
from dispatch.ids import Rng
from dispatch.thread import Identity

from dispatch_host.journal import Writer
from dispatch_host.schedule.zone import local_zone
from dispatch_host.scope import KeepOut
from dispatch_host.scribe import Scribe
from dispatch_host.secret_files import SecretFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A home and everything in it."""

    home: Home
    store: KeyStore
    key: DeviceKey
    journal: Writer
    scribe: Scribe
    clock: Clock
    rng: Rng = field(repr=False)
    plaintext: bool
    """Whether services off this computer may be spoken to in the clear."""
    zone: Callable[[], tzinfo] = local_zone
    """Gives the zone of this computer's clock, as it is now."""
    keep_out: KeepOut
    """What no agent may read, whatever is approved: the keys, the journal, what opens them, and the files with secrets that the
    settings name, as they are now."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of whoever started this process: what leads to their desktop."""

    @property
    def attachments(self) -> Path:
        """Give the folder of all attachments."""
        return self.home / "attachments"

    @property
    def pictures(self) -> Path:
        """Give the folder for pictures of web pages that are sent to phones."""
        return self.home / "pictures"

    @property
    def changes(self) -> Path:
        """Give the folder of what was changed and can be undone."""
        return self.home / "changes"

    def identity(self) -> Identity:
        """Give what the services know this host by."""
        return self.key.identity(DeviceKind.DEVICE_KIND_HOST)


@contextlib.contextmanager
def owning(
    home: Home, *, plaintext: bool, environment: Mapping[str, str] | None = None, patience_seconds: float = 0.0
) -> Iterator[Owned]:
    """Own the home for as long as the context lasts; as `Home.owned`. Raises HomeInUse, StoreFailed, BadRequest."""
    with home.owned(patience_seconds=patience_seconds):
        clock, rng, store = SystemClock(), os.urandom, key_store(home, os.urandom, owned=True)
        key = DeviceKey.load_or_make(store, rng)
        journal = Writer(home / "journal.db")
        journal.open()
        try:
            scribe = Scribe(sign=key.sign, key=key.public, clock=clock, rng=rng)
            secrets = SecretFiles(home.path, environment=environment or {}, owners_home=Path.home())
            always = [path for path in (home.path, home.passphrase_file) if path is not None]
            yield Owned(
                home=home,
                keep_out=KeepOut(always, secrets),
                store=store,
                key=key,
                journal=journal,
                scribe=scribe,
                clock=clock,
                rng=rng,
                plaintext=plaintext,
                environment=environment or {},
            )
        finally:
            journal.close()
