"""The external agents that this host knows without being told: what starts each, and all that it gets. Data; pure.

docs/external-agents.md has the same table. Own ones come from a file (own.py) and are the same kind of value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How one agent is started, and what it needs beside the approved folders. All of it is shown to the owner."""

    name: str  # the word after `acp:`
    title: str
    command: tuple[str, ...]
    read: tuple[str, ...] = ()  # folders, `~` is the owner's home
    write: tuple[str, ...] = ()
    network: bool = True
    variables: tuple[str, ...] = ()
    """Passed on from the host's environment, where they are set."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Set as they stand here; `~` at the beginning is the owner's home."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The file of each value, which is its first line."""
    log_in: str = ""
    """What a person types to log in."""


PRESETS = (
    Preset(
        name="claude",
        title="Claude Code",
        command=("claude-agent-acp",),
        write=("~/.claude",),
        variables=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"),
        # Else half of its settings are a file beside the folder, in the home, which it does not see.
        fixed={"CLAUDE_CONFIG_DIR": "~/.claude"},
        log_in="CLAUDE_CONFIG_DIR=~/.claude claude /login",
    ),
    Preset(
        name="gemini",
        title="Gemini CLI",
        command=("gemini", "--acp"),
        write=("~/.gemini",),
        variables=(
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "GOOGLE_CLOUD_PROJECT",
            "GOOGLE_CLOUD_LOCATION",
            "GOOGLE_GENAI_USE_VERTEXAI",
        ),
        log_in="gemini",
    ),
    Preset(
        name="codex",
        title="Codex",
        command=("codex-acp",),
        write=("~/.codex",),
        variables=("OPENAI_API_KEY", "CODEX_API_KEY"),
        log_in="codex login",
    ),
    Preset(
        name="goose",
        title="Goose",
        command=("goose", "acp"),
        write=("~/.config/goose", "~/.local/share/goose", "~/.local/state/goose"),
        variables=("GOOSE_PROVIDER", "GOOSE_MODEL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"),
        fixed={"GOOSE_DISABLE_KEYRING": "1"},  # there is no keyring in the sandbox
        log_in="goose configure",
    ),
    Preset(
        name="opencode",
        title="OpenCode",
        command=("opencode", "acp"),
        write=("~/.config/opencode", "~/.local/share/opencode", "~/.local/state/opencode", "~/.cache/opencode"),
        variables=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"),
        log_in="opencode auth login",
    ),
)
