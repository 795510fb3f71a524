"""Where a pairing's keys are: among the device's secrets, by the pairing's id. The rest of a pairing is in the journal.

The journal's row is what makes a pairing exist: keys are put before it is written, and deleted after it is gone.
"""

from __future__ import annotations

from dispatch.device.home import Home
from dispatch.device.keys import KeyStore
from dispatch.ids import PairId
from dispatch.sealed.keys import PairKeys

from dispatch_host.journal import Tx, Writer, settings, threads


def keys_of(store: KeyStore, pair_id: PairId) -> PairKeys | None:
    """Give a pairing's keys; None when they are gone or damaged. Raises StoreFailed."""
    secret = store.get(_name(pair_id))
    try:
        return None if secret is None else PairKeys.from_bytes(secret)
    except ValueError:
        return None


def keep(store: KeyStore, keys: PairKeys) -> None:
    """Keep a pairing's keys. Raises StoreFailed."""
    store.put(_name(keys.pair_id), keys.to_bytes())


def forget(store: KeyStore, pair_id: PairId) -> None:
    """Delete a pairing's keys. Raises StoreFailed."""
    store.delete(_name(pair_id))


async def drop_all(home: Home, store: KeyStore) -> None:
    """Forget every pairing of a home that the caller owns: the host's key was revoked, and the service has ended them already.

    The threads stay, for the phones that are paired again. Raises StoreFailed.
    """
    journal = Writer(home / "journal.db")
    journal.open()
    try:

        def leave(tx: Tx) -> list[PairId]:
            left = [pairing.pair_id for pairing in threads.pairings(tx)]
            for pair_id in left:
                threads.leave(tx, pair_id)
            for pair_id in settings.endings(tx):
                settings.told_ending(pair_id, tx)
            return left

        for pair_id in await journal.step(leave):
            forget(store, pair_id)
    finally:
        journal.close()


def _name(pair_id: PairId) -> str:
    return f"pair-{pair_id.hex()}"
