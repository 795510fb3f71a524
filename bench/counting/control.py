"""The control: work of the libraries that carry a message, with none of our code. Run by `child`.

No change of ours moves it. Where it takes another number of instructions than it took for the baseline, this computer counts
otherwise (another build of a library under the same version, another choice among its functions), and so do the works.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.struct_pb2 import Struct

from bench.counting.counted import Counted, Mark

_BLOB = bytes(range(256)) * 4


def _one(db: sqlite3.Connection, loop: asyncio.AbstractEventLoop, cipher: AESGCM, number: int) -> None:
    """Store a row, turn a loop, seal, write and read a message and a line."""
    with db:
        db.execute("INSERT INTO t VALUES (?, ?)", (number, _BLOB))
    db.execute("SELECT b FROM t WHERE a = ?", (number,)).fetchone()
    loop.call_soon(loop.stop)
    loop.run_forever()
    cipher.decrypt(bytes(12), cipher.encrypt(bytes(12), _BLOB, None), None)
    said = Struct()
    said.update({"number": number, "words": ["one", "two"]})
    Struct.FromString(said.SerializeToString())
    json.loads(json.dumps({"number": number, "words": "one, two", "blob": _BLOB.hex()}))


def _work(times: int, _most: int, begun: Mark, done: Mark) -> None:
    loop = asyncio.SelectorEventLoop()
    cipher = AESGCM(bytes(32))
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "control.sqlite3")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
        begun()
        for number in range(times):
            _one(db, loop, cipher, number)
        done()
        db.close()
    loop.close()


CONTROL = Counted("control", "what the libraries take for about the same, with none of our code", 50, _work)
