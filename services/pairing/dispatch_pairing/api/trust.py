"""TrustService: what relays follow. Translates messages; `trust` decides what is told."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.runtime.logs import get_logger

from dispatch_pairing.api.method import TRUST, Feed, Write
from dispatch_pairing.door import Need
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.streams import Streams
from dispatch_pairing.trust import News, Place, Trust

_log = get_logger()


class TrustApi:
    """Answers TrustService."""

    def __init__(self, *, trust: Trust, streams: Streams, keys: SigningKeys) -> None:
        self._trust = trust
        self._streams = streams
        self._keys = keys

    def methods(self) -> tuple[Feed, ...]:
        """Give the table: every method, and what its caller must show."""
        return (Feed(TRUST, "FollowTrust", pb.FollowTrustRequest, Need.SERVICE, self._follow_trust),)

    async def _follow_trust(self, _caller: None, request: pb.FollowTrustRequest, write: Write) -> None:
        told = 0

        async def tell(news: News) -> None:
            nonlocal told
            keys = self._keys.key_set()
            await write(_news(news, keys=None if keys.sequence == told else keys))
            told = keys.sequence

        _log.info("relay follows", relay=request.relay_address[:64])
        with self._streams.one(request.relay_address.encode()):
            await self._trust.follow(
                request.relay_address,
                Place(request.after_sequence, request.after_digest),
                tell,
                web_address=request.web_address,
            )


def _news(news: News, *, keys: pb.KeySet | None) -> pb.FollowTrustResponse:
    return pb.FollowTrustResponse(
        keys=keys,
        ended_pairings=[
            pb.EndedPairing(
                pair_id=one.pair_id, ended_by=DeviceKind.ValueType(one.ended_by or 0), sequence=one.sequence
            )
            for one in news.told
            if one.pair_id is not None
        ],
        revoked_devices=[
            pb.RevokedDevice(device_id=one.device_id, sequence=one.sequence)
            for one in news.told
            if one.device_id is not None
        ],
        sequence=news.sequence,
        server_time_ms=news.now_ms,
        complete=news.complete,
        digest=news.digest,
    )
