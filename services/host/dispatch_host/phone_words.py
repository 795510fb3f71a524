"""Says which phones there are, and what happens while one is paired, to the person at this computer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as host
from dispatch.plain import one_line
from dispatch.words import ENGLISH, Saying, Words

_MINUTE_MS = 60_000


def phone_names(pairings: Sequence[host.PairingStatus]) -> list[str]:
    """Name each phone; of those that have the same name also say how the id of the pairing begins, which tells them apart."""
    names = [one_line(one.phone_name, 64) for one in pairings]
    often = {name for name, count in Counter(names).items() if count > 1}
    return [
        f"{name} ({one.pair_id.hex()[:8]})" if name in often else name
        for one, name in zip(pairings, names, strict=True)
    ]


def pairing_warned(warning: host.PairWarning, words: Words = ENGLISH) -> Saying:
    """Give what is said while a pairing goes on; of a code that has to wait, when it comes."""
    said = errors.kind_of(warning.reason).words_in(words)
    if not warning.retry_after_ms:
        return said
    minutes = -(-warning.retry_after_ms // _MINUTE_MS)
    return Saying(sentence=said.sentence, advice=words.line("next_code", minutes=str(minutes)))
