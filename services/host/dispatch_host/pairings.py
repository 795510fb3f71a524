"""Where a pairing's keys are: among the device's secrets, by the pairing's id. The rest of a pairing is in the journal.

The journal's row is what makes a pairing exist: keys are put before it is written, and deleted after it is gone. The journal
notes for how long there may be keys without a pairing, so that whoever is killed meanwhile leaves none for good.
"""

from __future__ import annotations

from dispatch import errors
from dispatch.device.home import Home
from dispatch.device.keys import KeyStore
from dispatch.ids import PairId, short
from dispatch.runtime.logs import get_logger
from dispatch.sealed.keys import PairKeys

from dispatch_host.journal import Tx, Writer, settings, stray_keys, threads

_LOG = get_logger()


def keys_of(store: KeyStore, pair_id: PairId) -> PairKeys | None:
    """Give a pairing's keys; None when they are gone or damaged. Raises StoreFailed."""
    secret = store.get(_name(pair_id))
    try:
        return None if secret is None else PairKeys.from_bytes(secret)
    except ValueError:
        return None


async def keep(journal: Writer, store: KeyStore, keys: PairKeys) -> None:
    """Keep the keys of a pairing that is about to be made. Raises StoreFailed."""
    await journal.step(lambda tx: stray_keys.add(tx, keys.pair_id))
    store.put(_name(keys.pair_id), keys.to_bytes())


async def forget(journal: Writer, store: KeyStore, pair_id: PairId) -> None:
    """Delete the keys of a pairing that is over; where that fails it is done at the next start."""
    try:
        store.delete(_name(pair_id))
        await journal.step(lambda tx: stray_keys.remove(tx, pair_id))
    except errors.StoreFailed as failure:
        _LOG.warning("keys of no pairing not deleted", pairing=short(pair_id), detail=failure.detail)


async def forget_strays(journal: Writer, store: KeyStore) -> None:
    """Delete the keys that the process before did not come to delete. Not while a pairing is made: its keys come before it."""
    for pair_id in await journal.step(stray_keys.listed):
        await forget(journal, store, pair_id)


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
            await forget(journal, store, pair_id)
    finally:
        journal.close()


def _name(pair_id: PairId) -> str:
    return f"pair-{pair_id.hex()}"
