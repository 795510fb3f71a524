"""Images are built from what is pinned: nothing is installed that no hash or no folder of ours stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from deploy.release import places
from deploy.release.places import ROOT

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE = sorted((ROOT / "deploy").glob("compose*.yaml"))


def instructions(dockerfile: str) -> list[str]:
    """Give the instructions, each on one line, without comments."""
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in lines.replace("\\\n", " ").splitlines() if line.strip()]


def pip_calls(dockerfile: str) -> Iterator[str]:
    """Give each call of pip that installs or builds."""
    for line in instructions(dockerfile):
        if line.startswith("RUN"):
            yield from (
                part
                for part in re.split(r"&&|;|\|\|?", line)
                if re.search(r"\bpip3?\b.*\b(install|wheel|download)\b", part)
            )


def is_pinned(call: str) -> bool:
    """Tell whether a call takes only what hashes stand for, or only our own wheels and folders."""
    words = call.split()
    named = [word for word in words[words.index("install" if "install" in words else "wheel") + 1 :] if word[0] in "./"]
    if "--require-hashes" in words:
        return "-r" in words
    from_us = "--no-deps" in words and ("--no-index" in words or "--no-build-isolation" in words)
    return from_us and bool(named)


def test_every_pip_call_takes_only_what_is_pinned() -> None:
    calls = list(pip_calls(DOCKERFILE))

    assert len(calls) >= 10
    assert [call for call in calls if not is_pinned(call)] == []


@pytest.mark.parametrize(
    "call",
    [
        "RUN pip install uvicorn",
        "RUN pip install -r requirements/host.txt",
        "RUN pip install --no-deps uvicorn",
        "RUN pip install --no-deps --no-index uvicorn",
        "RUN python3 -m pip install \\\n  --no-deps /wheels/one.whl",
        "RUN true && pip wheel ./sdk",
    ],
)
def test_a_call_that_takes_something_else_is_seen(call: str) -> None:
    (found,) = pip_calls(call)

    assert not is_pinned(found)


def test_nothing_else_fetches_anything() -> None:
    fetching = re.compile(r"\b(curl|wget|npm|npx|git clone|uv)\b|^ADD\b|https?://(?!127\.0\.0\.1)")

    assert [line for line in instructions(DOCKERFILE) if fetching.search(line)] == []


def test_base_images_are_named_by_an_exact_tag() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - stages
    of_others = {
        image
        for path in COMPOSE
        for image in re.findall(r"^\s+image: (\S+)", path.read_text(), re.MULTILINE)
        if not image.startswith(("dispatch-", "dispatch/", "${"))
    }

    assert bases
    assert [image for image in bases | of_others if not re.search(r":[^:]*\d+\.\d+", image)] == []


def test_no_image_is_forgotten_where_we_list_them() -> None:
    images = re.findall(r"^FROM runs AS (\S+)", DOCKERFILE, re.MULTILINE)

    assert sorted(images) == sorted([*places.IMAGES, *places.OF_DEBIAN])


def test_each_image_has_its_requirements_and_the_distributions_that_we_say() -> None:
    stages = dict(re.findall(r"^FROM base AS (\w+)-venv\n(.*?)(?=^FROM )", DOCKERFILE, re.MULTILINE | re.DOTALL))

    said = {
        name: {one.name for one in places.DISTRIBUTIONS if f"/wheels/{one.wheel}" in body}
        for name, body in stages.items()
    }
    assert {name: said.get(name) for name in places.IMAGES} == {name: set(ours) for name, ours in places.IMAGES.items()}
    assert all(f"-r requirements/{name}.txt" in stages[name] for name in places.IMAGES)
