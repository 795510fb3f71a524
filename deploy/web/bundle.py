"""What is served: the bundle as it was built, whole and unchanged. Read once; pure from there."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
MANIFEST = "bundle.json"


@dataclass(frozen=True, slots=True)
class Served:
    """One file, as it is and as browsers like it better."""

    kind: str
    content: bytes
    packed: bytes
    tag: str


def read(folder: Path) -> dict[str, Served]:
    """Read the bundle, by name. Raises ValueError when it is not the one that its `bundle.json` names, and OSError.

    docs/web-phone.md "Versions" says how the digest is made.
    """
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    contents = {name: (folder / name).read_bytes() for name in names}
    lines = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in names if name != MANIFEST)
    said = json.loads(contents.get(MANIFEST, b"{}"))
    if not isinstance(said, dict) or said.get("digest") != hashlib.sha256(lines.encode()).hexdigest():
        raise ValueError(f"{folder} is not a bundle as it was built: make phone-build")
    return {name: _served(name, content) for name, content in contents.items()}


def _served(name: str, content: bytes) -> Served:
    kind = KINDS.get(Path(name).suffix, "application/octet-stream")
    return Served(kind, content, gzip.compress(content, mtime=0), f'"{hashlib.sha256(content).hexdigest()[:32]}"')
