"""Which model, and with which key: what is wrong is said all at once, without a path, and before anybody is asked anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dispatch_host.agents import NotDone, NotDoneReason
from dispatch_host.agents.llm.agent import why_not
from dispatch_host.agents.llm.settings import Api, NotSet, read, read_key

from tests.unit.llm.conftest import KEY, Desk

GOOD = '[llm]\nprovider = "anthropic"\nmodel = "m"\nkey_file = "/k"\n'


def written(home: Path, text: str) -> Path:
    """Write the settings."""
    (home / "agents.toml").write_text(text)
    return home


def test_a_model_is_set_by_the_file_and_the_environment_outweighs_it(tmp_path: Path) -> None:
    settings = read(written(tmp_path, f"{GOOD}requests = 7\n"), {"DISPATCH_HOST_LLM_MODEL": "other"})

    assert (settings.provider, settings.model, settings.requests) == (Api.ANTHROPIC, "other", 7)
    assert settings.base_url == "https://api.anthropic.com"
    assert settings.tokens == 1_000_000


def test_a_server_on_this_computer_needs_an_address_and_no_key(tmp_path: Path) -> None:
    local = {
        "DISPATCH_HOST_LLM_PROVIDER": "openai-compatible",
        "DISPATCH_HOST_LLM_MODEL": "qwen",
        "DISPATCH_HOST_LLM_BASE_URL": "http://127.0.0.1:11434/v1",
    }

    settings = read(tmp_path, local)

    assert settings.is_here
    assert read_key(settings) == ""


def test_another_provider_is_spoken_to_at_its_own_address_with_its_key(tmp_path: Path) -> None:
    said = '[llm]\nprovider = "openai-compatible"\nmodel = "theirs"\nbase_url = "https://models.example/v1"\nkey_file = "key"\n'

    settings = read(written(tmp_path, said), {})

    assert (settings.base_url, settings.is_here) == ("https://models.example/v1", False)


def test_openai_compatible_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSet, match="base_url"):
        read(written(tmp_path, '[llm]\nprovider = "openai-compatible"\nmodel = "theirs"\n'), {})


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    wrong = written(tmp_path, '[llm]\nprovider = "nobody"\nmodel = ""\nrequests = 0\ntokens = true\ncolour = 1\n')

    with pytest.raises(NotSet) as refused:
        read(wrong, {})

    for word in ("provider", "model", "requests", "tokens", "colour"):
        assert word in refused.value.why


@pytest.mark.parametrize(
    "base_url",
    [
        "http://models.example/v1",
        "http://192.168.1.7:8080/v1",
        "https://user:key@models.example",
        "https://models.example/?key=1",
        "file:///etc/passwd",
        "nowhere",
        "https://[",
    ],
)
def test_an_address_in_the_clear_off_this_computer_or_with_a_secret_in_it_is_refused(
    tmp_path: Path, base_url: str
) -> None:
    with pytest.raises(NotSet):
        read(written(tmp_path, GOOD + f'base_url = "{base_url}"\n'), {})


@pytest.mark.parametrize("text", ["[llm", "llm = 3", "\x00", '[llm]\nprovider = ["x"]\nmodel = {}\n', ""])
def test_a_file_of_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(NotSet):
        read(written(tmp_path, text), {})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o610])
def test_a_key_that_others_may_read_is_not_used(one_desk: Desk, mode: int) -> None:
    (one_desk.home / "key").chmod(mode)

    with pytest.raises(NotSet) as refused:
        read_key(read(one_desk.home, {}))

    assert "chmod 600" in refused.value.why
    assert str(one_desk.home) not in refused.value.why
    assert KEY not in refused.value.why


def test_what_holds_no_key_is_refused(one_desk: Desk) -> None:
    key = one_desk.home / "key"
    for content in ("", "two\nlines", "a b", "x" * 5000, "schlüssel"):
        key.write_text(content)
        with pytest.raises(NotSet):
            read_key(read(one_desk.home, {}))
    key.unlink()
    with pytest.raises(NotSet):
        read_key(read(one_desk.home, {}))
    os.mkfifo(key, 0o600)
    with pytest.raises(NotSet):  # and nobody waits for a writer
        read_key(read(one_desk.home, {}))


async def test_why_it_can_not_be_used_is_said_without_asking_the_provider(one_desk: Desk) -> None:
    assert await why_not(one_desk.home, {}) == ""
    (one_desk.home / "key").chmod(0o644)
    assert "chmod 600" in await why_not(one_desk.home, {})
    assert one_desk.server.asked == []


async def test_a_task_of_an_agent_that_can_not_be_used_says_why(one_desk: Desk) -> None:
    (one_desk.home / "agents.toml").unlink()

    end = await one_desk.does("hello")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_UNAVAILABLE
    assert "No model is set" in end.text


def test_what_speaks_with_models_is_loaded_when_a_task_starts_and_not_before() -> None:
    listed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, dispatch_host.cli, dispatch_host.known_agents, dispatch_host.agents.llm, dispatch_host.agents.tools;"
            "print([name for name in ('pydantic_ai', 'openai', 'anthropic', 'httpx2') if name in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert listed.stdout.strip() == "[]"
