"""The pure parts of the listener for browsers: why a stream ends, in 123 bytes, and who may open one."""

from __future__ import annotations

import pytest
from dispatch import errors
from dispatch.runtime.origins import Origins
from dispatch_relay.web.close import REASON_BYTES, code_of, reason_of
from dispatch_relay.web.guard import Turned, judge
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wires import of_close

PAGE = "https://phone.example"
ATTACH = "/dispatch.api.relay.v1.ThreadService/Attach"
HEAD = {"host": ["relay.example:7305"], "origin": [PAGE]}


def test_every_reason_survives_a_close_with_what_a_device_acts_on() -> None:
    for reason in errors.all_reasons():
        said = errors.of(reason, "x" * 500, retry_after_ms=2**32 - 1, metadata={"oldest_seq": str(2**63 - 1)})

        heard = of_close(code_of(said), reason_of(said))

        assert type(heard) is type(said)
        assert heard.retry_after_ms == said.retry_after_ms
        assert heard.metadata == said.metadata
        assert said.detail.startswith(heard.detail)


def test_a_close_is_written_as_the_document_has_it() -> None:
    error = errors.ResumeTooOld("gone & forgotten", metadata={"oldest_seq": "17"})

    assert code_of(error) == 4011
    assert reason_of(error) == "reason=RESUME_TOO_OLD&oldest_seq=17&detail=gone+%26+forgotten"


@given(detail=st.text(), metadata=st.dictionaries(st.text(min_size=1), st.text()), retry=st.integers(0, 2**32 - 1))
def test_no_close_is_too_long_or_unreadable_whatever_is_said(detail: str, metadata: dict[str, str], retry: int) -> None:
    error = errors.PeerAbsent(detail, retry_after_ms=retry, metadata=metadata)

    reason = reason_of(error)

    assert len(reason.encode()) <= REASON_BYTES
    assert isinstance(of_close(code_of(error), reason), errors.PeerAbsent)


@pytest.mark.parametrize(
    ("change", "turned"),
    [
        ({}, None),
        ({"origin": []}, None),  # no browser
        ({"host": ["relay.example"]}, None),
        ({"host": ["RELAY.example:7305"]}, None),
        ({"host": ["rebound.example:7305"]}, Turned.HOST),
        ({"host": []}, Turned.HOST),
        ({"host": ["relay.example", "relay.example"]}, Turned.HOST),
        ({"host": ["relay.example@hostile.example"]}, Turned.HOST),
        ({"origin": ["https://hostile.example"]}, Turned.ORIGIN),
        ({"origin": ["http://phone.example"]}, Turned.ORIGIN),
        ({"origin": ["https://phone.example:444"]}, Turned.ORIGIN),
        ({"origin": ["https://phone.example.hostile.example"]}, Turned.ORIGIN),
        ({"origin": ["null"]}, Turned.ORIGIN),
        ({"origin": [""]}, Turned.ORIGIN),
        ({"origin": [PAGE, "https://hostile.example"]}, Turned.ORIGIN),
        ({"origin": ["https://relay.example:7305"]}, Turned.ORIGIN),  # the relay's own: no page is served there
    ],
)
def test_who_may_open_a_stream(change: dict[str, list[str]], turned: Turned | None) -> None:
    decided = judge(
        ATTACH,
        HEAD | change,
        names={"relay.example"},
        paths={ATTACH},
        origins=Origins.parse([PAGE]),
    )

    assert decided is turned


@pytest.mark.parametrize("path", ["/", "", f"{ATTACH}?", f"{ATTACH}/", ATTACH.lower(), f"/{ATTACH}", "/%2e" + ATTACH])
def test_a_path_that_is_not_exactly_a_streams_is_none(path: str) -> None:
    origins = Origins.parse([PAGE])
    decided = judge(path, HEAD, names={"relay.example"}, paths={ATTACH}, origins=origins)

    assert decided is Turned.PATH
