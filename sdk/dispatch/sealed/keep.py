"""The phone's keep chains: which ones it holds on to, and how a row of the log finds its own.

Rows may have been sealed in an older epoch than the session's, so a phone keeps a few chains, oldest first. The host
holds one. Values in, values out: the caller commits what comes back. docs/encryption.md "Keep chains".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dispatch.sealed.chain import Chain, open_
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.frame import parse

_KEPT_BESIDE_THE_NEW = 3

Chains = tuple[Chain, ...]
"""Oldest first, as the phone's handshakes made them."""


class Kept(NamedTuple):
    """A row's body, and the chains to commit with it."""

    body: bytes
    chains: Chains


def prune(chains: Sequence[Chain], host_epoch: bytes | None, new: Chain) -> Chains:
    """Make room for the new epoch's chain.

    `host_epoch` is what message 2 named: the epoch in which the host seals now. Chains started after that one were
    never confirmed and go; of the rest the newest three stay. If the phone does not know it (one of the two was
    restored, or there is none), nothing tells which of them were confirmed, and the newest three stay.
    """
    named = [i for i, chain in enumerate(chains) if chain.epoch == host_epoch]
    rest = chains[: named[-1] + 1] if named else chains
    return (*rest[-_KEPT_BESIDE_THE_NEW:], new)


def open_keep(sealed: bytes, chains: Sequence[Chain]) -> Kept:
    """Open a row.

    That it opens shows that the host seals in this epoch by now, so older chains go. Raises SealError.
    """
    epoch = parse(sealed).epoch
    for i, chain in enumerate(chains):
        if chain.epoch == epoch:
            body, turned = open_(chain, sealed)
            return Kept(body, (turned, *chains[i + 1 :]))
    raise SealError(Why.UNKNOWN_EPOCH)
