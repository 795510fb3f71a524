"""Where a pairing's keys are: among the device's secrets, by the pairing's id. The rest of a pairing is in the journal.

The journal's row is what makes a pairing exist: keys are put before it is written, and deleted after it is gone.
"""

from __future__ import annotations

from dispatch.device.keys import KeyStore
from dispatch.ids import PairId
from dispatch.sealed.keys import PairKeys


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


def _name(pair_id: PairId) -> str:
    return f"pair-{pair_id.hex()}"
