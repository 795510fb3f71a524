"""The model on a phone: what goes over the wire, what comes of an answer that is none, and where the key goes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.device.home import Home
from mobile_sim.model import Model
from mobile_sim.model_question import ANSWER_BYTES, ask

from tests.support.phone_model import ModelServer, Reply, says

KEY = "sk-very-secret"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "key").chmod(0o600)
    return str(tmp_path / "key")


def test_it_is_asked_as_chat_completions_are(key_file: str) -> None:
    with ModelServer(says("Ulaanbaatar. \n")) as server:
        answer = ask(Model(url=f"{server.url}/", name="tiny", key_file=key_file), "What is the capital of Mongolia?")

    assert answer == "Ulaanbaatar."
    assert server.paths == ["/v1/chat/completions"]
    (asked,) = server.asked
    assert (asked["model"], asked["stream"]) == ("tiny", False)
    assert [one["role"] for one in asked["messages"]] == ["system", "user"]
    assert asked["messages"][1]["content"] == "What is the capital of Mongolia?"
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent() -> None:
    with ModelServer(says("Yes.")) as server:
        ask(Model(url=server.url, name="tiny"), "Is it?")
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    ("reply", "says_what"),
    [
        ((401, {}, b'{"error": "sk-very-secret is wrong"}'), "status 401"),
        ((429, {"Retry-After": "5"}, b""), "status 429"),
        ((500, {}, b"oops"), "status 500"),
        ((200, {}, b"not json"), "can't be read"),
        ((200, {}, b"[]"), "can't be read"),
        ((200, {}, b'{"choices": []}'), "can't be read"),
        ((200, {}, b'{"choices": [{"message": null}]}'), "can't be read"),
        ((200, {}, b'{"choices": [{"message": {"content": null}}]}'), "empty"),
        ((200, {}, b'{"choices": [{"message": {"content": [1]}}]}'), "empty"),
        (says("  "), "empty"),
        ((200, {}, b"[" * 100_000), "can't be read"),
        ((200, {}, b" " * (ANSWER_BYTES + 10)), "too long"),
        ((200, {"Content-Length": "9999"}, b"{}"), "can't be re|does not speak HTTP|can't be reached"),
    ],
)
def test_what_is_no_answer_is_a_failure_that_quotes_nothing(reply: Reply, says_what: str, key_file: str) -> None:
    with ModelServer(reply) as server, pytest.raises(errors.ModelFailed, match=says_what) as failure:
        ask(Model(url=server.url, name="tiny", key_file=key_file), "What is a secret question?")

    assert KEY not in str(failure.value)
    assert "secret question" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_a_redirect_is_not_followed_with_the_key(key_file: str) -> None:
    with ModelServer(says("stolen")) as elsewhere:
        away = (307, {"Location": f"{elsewhere.url}/chat/completions"}, b"")
        with ModelServer(away) as server, pytest.raises(errors.ModelFailed, match="status 307"):
            ask(Model(url=server.url, name="tiny", key_file=key_file), "Is it?")

        assert elsewhere.asked == []


def test_nobody_there_is_a_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(errors.ModelFailed, match="can't be reached"):
            ask(Model(url=url, name="tiny"), "Is it?")


@pytest.mark.parametrize("content", [None, "", "two\nlines", "ü"])
def test_a_key_file_without_a_key_is_a_failure(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
        (tmp_path / "key").chmod(0o600)
    with ModelServer(says("Yes.")) as server, pytest.raises(errors.ModelFailed, match="key file"):
        ask(Model(url=server.url, name="tiny", key_file=str(tmp_path / "key")), "Is it?")
    assert server.asked == []


def test_it_is_kept_in_the_home_without_its_key(tmp_path: Path, key_file: str) -> None:
    home = Home(tmp_path / "home")
    model = Model(url="https://models.test/v1", name="tiny", key_file=key_file)
    assert Model.load(home) is None

    model.keep(home)

    assert Model.load(home) == model
    assert KEY not in (home / "model.json").read_text()
    (home / "model.json").write_text(json.dumps({"uri": 1}))
    with pytest.raises(errors.StoreFailed):
        Model.load(home)
    (home / "model.json").write_text(json.dumps({"url": 1, "name": "tiny"}))
    with pytest.raises(errors.StoreFailed):
        Model.load(home)
    Model.forget(home)
    Model.forget(home)
    assert Model.load(home) is None


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://models.test/v1", True),
        ("http://127.0.0.1:11434/v1", True),
        ("http://[::1]:11434/v1", True),
        ("http://models.test/v1", False),
        ("file:///etc/passwd", False),
        ("models.test/v1", False),
        ("https://me:secret@models.test/v1", False),
        ("https://models.test:99999/v1", False),
        ("https://", False),
    ],
)
def test_only_what_keeps_the_words_private_is_taken(url: str, fits: bool) -> None:
    model = Model(url=url, name="tiny")
    if fits:
        model.check(plaintext=False)
        return
    with pytest.raises(errors.BadRequest):
        model.check(plaintext=False)


def test_a_proxy_of_the_environment_gets_nothing_of_what_goes_to_this_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("sk-1")
    with ModelServer(says("through the proxy")) as proxy, ModelServer(says("here")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

        assert ask(Model(url=server.url, name="tiny", key_file=str(key)), "private words") == "here"

        assert proxy.asked == []
        assert server.headers[0]["Authorization"] == "Bearer sk-1"


@pytest.mark.parametrize("what", ["open to others", "a folder"])
def test_a_key_that_others_may_read_is_not_used(tmp_path: Path, what: str) -> None:
    key = tmp_path / "key"
    if what == "a folder":
        key.mkdir(mode=0o700)
    else:
        key.write_text("sk-1")
        key.chmod(0o640)
    with ModelServer(says("hello")) as server:
        with pytest.raises(errors.ModelFailed, match=r"may be read by others|can't be read"):
            ask(Model(url=server.url, name="tiny", key_file=str(key)), "hello")

        assert server.asked == []
