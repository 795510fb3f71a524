"""The vectors as questions to a client: what goes in, and what has to come out. docs/conformance.md "Computing".

Pure. Called by `corpus`. The vectors stay the one place where the answers stand (tests/vectors/README.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"
_DRAWS = ("kem_seed", "ephemeral", "n_phone", "salt_5", "salt_7")


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to compute. Fields that the answer has beyond `answer` are not looked at."""

    vectors: str
    what: str
    given: dict[str, Any]
    answer: dict[str, Any]


def questions() -> Iterator[Question]:
    """Give every question, file by file."""
    yield from _encodings()
    kdf = _read("kdf.json")
    for one in kdf["derived"]:
        yield Question("kdf.json", "kdf", {"prk": kdf["prk"], "label": one["label"]}, {"bytes": one["bytes"]})
    yield from _link()
    yield from _pairing()
    yield from _session()
    yield from _chain()
    yield from _history()
    yield from _proofs()


def _read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("utf-8"))


def _encodings() -> Iterator[Question]:
    vectors, file = _read("encodings.json"), "encodings.json"
    for one in vectors["enc"]:
        yield Question(file, "enc", {"fields": one["fields"]}, {"bytes": one["bytes"]})
    for one in vectors["message_id"]:
        yield Question(file, "ids", {"sealed": one["sealed"]}, {"message_id": one["message_id"]})
    for name in ("device_id", "key_id"):
        for one in vectors[name]:
            yield Question(file, "ids", {"ed25519_public": one["ed25519_public"]}, {name: one[name]})
    for taken in (True, False):
        for name in vectors["names_taken" if taken else "names_refused"]:
            yield Question(file, "name", {"name": name}, {"taken": taken})


def _link() -> Iterator[Question]:
    vectors = _read("link.json")
    good = vectors["good"]
    fields = ("offer_id", "secret", "host_x25519", "service", "claim_token", "psk")
    yield Question("link.json", "link", {"link": f" {good['link']}\n"}, {name: good[name] for name in fields})
    for bad in vectors["bad"]:
        yield Question("link.json", "link", {"link": bad["link"]}, {"fault": bad["fault"]})


def _pairing() -> Iterator[Question]:
    vectors, file = _read("pairing.json"), "pairing.json"
    phone, steps = vectors["phone"], vectors["steps"]
    given = {
        "link": vectors["offer"]["link"],
        "name": phone["name"],
        "x25519_private": phone["x25519_private"],
        "ed25519_private": phone["ed25519_private"],
        "draws": [phone[name] for name in _DRAWS],
        **{f"step_{number}": steps[str(number)] for number in (2, 4, 6, 8)},
    }
    told = {name: vectors[name] for name in ("code", "pair_id", "pair_psk")}
    said = {f"step_{number}": steps[str(number)] for number in (1, 3, 5, 7)}
    yield Question(file, "ceremony", given, {**told, **said, "peer": vectors["host"]["name"]})
    # One byte of any step changed, cut off or put behind ends the ceremony at that step.
    for number in (2, 4, 6, 8):
        step = steps[str(number)]
        for spoilt in (
            f"{int(step[:2], 16) ^ 1:02x}{step[2:]}",
            f"{step[:-2]}{int(step[-2:], 16) ^ 1:02x}",
            step[:-2],
            step + "00",
        ):
            yield Question(file, "ceremony", {**given, f"step_{number}": spoilt}, {"failed_at": number})


def _session() -> Iterator[Question]:
    for case in _read("session.json")["cases"]:
        phone = case["phone"]
        given = {
            **{name: phone[name] for name in phone},
            "pair_id": case["pair_id"],
            "pair_psk": case["pair_psk"],
            "grant": case["grant"],
            "head_number": str(case["head"]["number"]),
            "head_hash": case["head"]["hash"],
            "message2": case["message2"],
        }
        chains = {label: chain["key"] for label, chain in case["chains"].items()}
        told = {"message1": case["message1"], "epoch": case["epoch"], "host_epoch": case["host_epoch"] or ""}
        yield Question("session.json", "session", given, {**told, **chains})
        changed = f"{case['message2'][:-2]}{int(case['message2'][-2:], 16) ^ 1:02x}"
        yield Question("session.json", "session", {**given, "message2": changed}, {"why": "BAD_TAG"})
        for chain in case["chains"].values():
            at = {
                **_place(case | chain, 0, chain["key"]),
                "direction": str(chain["direction"]),
                "class": str(chain["class"]),
            }
            first = chain["first_frame"]
            seal = {**at, "body": first["body"], "salt": first["salt"]}
            yield Question("session.json", "seal", seal, {"sealed": first["sealed"]})
            yield Question("session.json", "open", {**at, "sealed": first["sealed"]}, {"body": first["body"]})


def _place(chain: dict[str, Any], n: int, key: str) -> dict[str, str]:
    of = {"pair_id": chain["pair_id"], "epoch": chain["epoch"], "n": str(n), "key": key}
    return {**of, "direction": str(chain["direction"]), "class": str(chain["class"])}


def _chain() -> Iterator[Question]:
    vectors, file = _read("chain.json"), "chain.json"
    chain = vectors["chain"]
    for frame in vectors["frames"]:
        at = _place(chain, frame["n"], frame["chain_key"])
        yield Question(file, "seal", {**at, "body": frame["body"], "salt": frame["salt"]}, {"sealed": frame["sealed"]})
        yield Question(file, "open", {**at, "sealed": frame["sealed"]}, {"body": frame["body"]})
    at_0 = _place(chain, 0, chain["key"])
    furthest = vectors["furthest"]
    yield Question(file, "open", {**at_0, "sealed": furthest["sealed"]}, {"body": furthest["body"]})
    at_2 = _place(chain, 2, next(frame["chain_key"] for frame in vectors["frames"] if frame["n"] == 2))
    for at, name in ((at_0, "refused_by_the_chain_at_0"), (at_2, "refused_by_the_chain_at_2")):
        for bad in vectors[name]:
            yield Question(file, "open", {**at, "sealed": bad["sealed"]}, {"why": bad["why"]})


def _history() -> Iterator[Question]:
    vectors, file = _read("history.json"), "history.json"
    for event in vectors["events"]:
        yield Question(
            file, "event_hash", {"previous": event["previous"], "event": event["event"]}, {"hash": event["hash"]}
        )
    for what, name in (("task_words", "task"), ("head_words", "head")):
        one = vectors[name]
        given = {key: str(value) for key, value in one.items() if key not in {"head", "signed_bytes", "signature"}}
        given |= {"head_number": str(one["head"]["number"]), "head_hash": one["head"]["hash"]}
        yield Question(file, what, given, {key: one[key] for key in ("signed_bytes", "signature")})


def _proofs() -> Iterator[Question]:
    vectors = _read("proofs.json")
    for name in ("stream", "call"):
        one = vectors[name]
        given = {key: value for key, value in one.items() if key not in {"signed_bytes", "signature"}}
        given["ed25519_private"] = vectors["device"]["ed25519_private"]
        yield Question("proofs.json", f"{name}_proof", given, {key: one[key] for key in ("signed_bytes", "signature")})
