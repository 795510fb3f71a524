"""The arguments of a tool, as a model wrote them: each is taken by its kind, within its bounds, and none is left over. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from dispatch_host.agents.asking import JSON
from dispatch_host.agents.toolbox import ToolFailed


class Given:
    """Takes arguments one by one. Raises ToolFailed, with words that the model can act on."""

    def __init__(self, arguments: Mapping[str, JSON]) -> None:
        self._left = dict(arguments)

    def done(self) -> None:
        """Refuse what nobody took: a misspelt argument must not pass for one that was left out."""
        if self._left:
            raise ToolFailed(f"There is no argument {', '.join(sorted(self._left))[:200]}.")

    def text(self, name: str, *, most: int = 4096) -> str | None:
        """Take words; None when they were left out, or are empty."""
        said = self._left.pop(name, None)
        if said is None or said == "":
            return None
        if not isinstance(said, str) or "\0" in said or len(said) > most:
            raise ToolFailed(f"{name} is a text of at most {most} characters.")
        return said

    def needed(self, name: str, *, most: int = 4096) -> str:
        """Take words that must be there."""
        said = self.text(name, most=most)
        if said is None:
            raise ToolFailed(f"{name} is missing.")
        return said

    def content(self, name: str, *, most: int) -> str:
        """Take words for a file, empty when they were left out: those that UTF-8 can write."""
        said = self.text(name, most=most) or ""
        try:
            said.encode()
        except UnicodeEncodeError:
            raise ToolFailed(f"{name} has half a character in it, which no file can hold.") from None
        return said

    def texts(self, name: str, *, most: int, longest: int = 4096) -> Sequence[str]:
        """Take a list of words, empty ones among them; an empty list when it was left out."""
        said = self._left.pop(name, None)
        if said is None:
            return ()
        if not isinstance(said, list) or len(said) > most:
            raise ToolFailed(f"{name} is a list of at most {most} texts.")
        return [Given({name: one}).text(name, most=longest) or "" for one in said]

    def whole(self, name: str, *, least: int = 0, most: int = 10**15) -> int | None:
        """Take a whole number; None when it was left out."""
        said = self._left.pop(name, None)
        if isinstance(said, float) and said.is_integer():
            said = int(said)
        if said is None:
            return None
        if not isinstance(said, int) or isinstance(said, bool) or not least <= said <= most:
            raise ToolFailed(f"{name} is a whole number from {least} to {most}.")
        return said

    def flag(self, name: str) -> bool:
        """Take a yes or a no; no when it was left out."""
        said = self._left.pop(name, None)
        if said is not None and not isinstance(said, bool):
            raise ToolFailed(f"{name} is true or false.")
        return said is True

    def one_of(self, name: str, words: Sequence[str]) -> str | None:
        """Take one of these words; None when it was left out."""
        said = self.text(name)
        if said is not None and said not in words:
            raise ToolFailed(f"{name} is one of: {', '.join(words)}.")
        return said

    def moment(self, name: str, zone: tzinfo | None) -> datetime | None:
        """Take a day or a time, of the host's zone unless it has its own; None when it was left out."""
        said = self.text(name)
        if said is None:
            return None
        try:
            found = datetime.fromisoformat(said)
        except ValueError:
            raise ToolFailed(f"{name} is a day or a time, as 2026-11-21 or 2026-11-21T09:30.") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def schema(needed: Sequence[str] = (), /, **arguments: JSON) -> Mapping[str, JSON]:
    """Write the JSON Schema of a tool's arguments. Says to the model what `Given` then checks."""
    return {
        "type": "object",
        "properties": arguments,
        "required": list(needed),
        "additionalProperties": False,
    }


def words(about: str) -> JSON:
    """Write that an argument is words."""
    return {"type": "string", "description": about}


def count(about: str) -> JSON:
    """Write that an argument is a whole number."""
    return {"type": "integer", "minimum": 0, "description": about}


def choice(about: str, *of: str) -> JSON:
    """Write that an argument is one of these words."""
    return {"type": "string", "enum": list(of), "description": about}


def listed(about: str) -> JSON:
    """Write that an argument is a list of words."""
    return {"type": "array", "items": {"type": "string"}, "description": about}


def yes(about: str) -> JSON:
    """Write that an argument is a yes or a no."""
    return {"type": "boolean", "description": about}
