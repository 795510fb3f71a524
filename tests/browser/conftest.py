"""A real browser without a window: Debian's Chromium, driven by playwright. `.ci/run` installs it and names this folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.shared_chromium import SharedChromium
from tests.support.waiting import DEADLINE_SECONDS

# Nothing is looked up and nothing is fetched but from this computer.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-default-apps", "--disable-sync", "--no-first-run", "--no-pings"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE 127.0.0.2 , EXCLUDE localhost",
)


@pytest.fixture(scope="session")
def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedChromium]:
    shared = SharedChromium(tmp_path_factory.mktemp("chromium"), FLAGS)
    yield shared
    shared.end()


@pytest.fixture
async def chromium(shared_chromium: SharedChromium) -> AsyncIterator[Browser]:
    """Give a browser."""
    expect.set_options(timeout=DEADLINE_SECONDS * 1_000)  # however busy this machine is
    async with shared_chromium.connected() as browser:
        yield browser


def folder_for_pictures(tmp_path: Path, test: str) -> Path:
    """Give the folder for what the pages of a test look like. It is there only if DISPATCH_SCREENSHOTS is: who wants to look.

    One that nobody looks at costs a tenth of a second of processor time, and a run would take hundreds.
    """
    wanted = os.environ.get("DISPATCH_SCREENSHOTS")
    folder = Path(wanted or tmp_path / "no-pictures") / re.sub(r"\W+", "-", test).strip("-")
    if wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder


@pytest.fixture
def pictures(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return folder_for_pictures(tmp_path, request.node.name)
