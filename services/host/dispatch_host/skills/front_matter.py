"""What stands above the instructions of a skill, and whether it is right: by the rules of agentskills.io. Pure.

Same verdicts as the reference validator, which is held against it in tests. YAML as far as a skill needs it: no tags, anchors,
references or flow style, no key twice; every value is a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MARK = "---"
_KEYS = frozenset({"name", "description", "license", "allowed-tools", "metadata", "compatibility"})
_NAME_CHARACTERS, _ABOUT_CHARACTERS, _COMPATIBILITY_CHARACTERS = 64, 1024, 500
_FRONT_CHARACTERS = 64 * 1024


class Unreadable(Exception):
    """There is no front matter, or it can't be read. The text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A SKILL.md in its two parts."""

    front: Mapping[str, Any]
    body: str = field(repr=False)


def split(text: str) -> Document:
    """Read a SKILL.md. Raises Unreadable."""
    if not text.startswith(_MARK):
        raise Unreadable("it does not begin with front matter (---)")
    parts = text.split(_MARK, 2)
    if len(parts) < 3:
        raise Unreadable("its front matter has no end (---)")
    if len(parts[1]) > _FRONT_CHARACTERS:
        raise Unreadable("its front matter is too long")
    front = _yaml(parts[1])
    if not isinstance(front, dict):
        raise Unreadable("its front matter is no list of keys and values")
    return Document(front, parts[2].strip())


def mistakes(front: Mapping[str, Any], folder_name: str) -> Sequence[str]:
    """List what is wrong with front matter; nothing where nothing is."""
    found = [f"{key} is no key of a skill" for key in sorted(set(front) - _KEYS)]
    found += _name(front.get("name"), unicodedata.normalize("NFKC", folder_name))
    about = front.get("description")
    if not isinstance(about, str) or not about.strip():
        found.append("it has no description")
    elif len(about) > _ABOUT_CHARACTERS:
        found.append(f"its description is longer than {_ABOUT_CHARACTERS} characters")
    compatibility = front.get("compatibility", "")
    if not isinstance(compatibility, str) or len(compatibility) > _COMPATIBILITY_CHARACTERS:
        found.append(f"its compatibility is a text of up to {_COMPATIBILITY_CHARACTERS} characters")
    return found


def _name(said: Any, folder_name: str) -> list[str]:
    if not isinstance(said, str) or not said.strip():
        return ["it has no name"]
    name = unicodedata.normalize("NFKC", said.strip())
    found = []
    if len(name) > _NAME_CHARACTERS:
        found.append(f"its name is longer than {_NAME_CHARACTERS} characters")
    if name != name.lower() or not all(sign.isalnum() or sign == "-" for sign in name):
        found.append("its name has more than small letters, digits and -")
    if name.startswith("-") or name.endswith("-") or "--" in name:
        found.append("its name begins or ends with -, or has two of them together")
    if name != folder_name:
        found.append("its name is not that of its folder")
    return found


def _yaml(text: str) -> Any:
    """Read the part of YAML that a skill may use. Raises Unreadable."""
    import yaml  # noqa: PLC0415 -- quick `--help`

    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken):
                raise Unreadable("its front matter has { or [ where a value begins: quote it")
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                raise Unreadable("its front matter has an anchor, a reference or a tag")
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        _look_for_twice(node)
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 -- this one makes texts and nothing else
    except yaml.MarkedYAMLError as wrong:
        place = f" in line {wrong.problem_mark.line + 1}" if wrong.problem_mark else ""
        raise Unreadable(f"its front matter is no YAML{place}") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Unreadable("its front matter is no YAML") from None


def _look_for_twice(node: Any) -> None:
    import yaml  # noqa: PLC0415 -- as above

    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(keys) < len(node.value) or len(set(keys)) < len(keys):
            raise Unreadable("its front matter has a key twice, or one that is no text")
        for _, value in node.value:
            _look_for_twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _look_for_twice(value)
