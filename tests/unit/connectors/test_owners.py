"""What agents may write to is not started as the owner: whichever way a connector's program leads there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch_host.agents import Step
from dispatch_host.connectors.definition import ByProgram, Template
from dispatch_host.connectors.life import State
from dispatch_host.connectors.owners import not_the_owners
from dispatch_host.scope import Folder
from dispatch_host.scope.theirs import agents_may_write_to

from tests.support.connector_world import YES, ConnectorWorld, asked
from tests.support.waiting import until


class Computer:
    """A home with a project that agents may change, and some that they may not."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.project, self.own = self.home / "proj", self.home / "own"
        for folder in (self.project / "bin", self.own / "bin"):
            folder.mkdir(parents=True)
        for program in (self.project / "bin" / "planted", self.own / "bin" / "mine"):
            program.touch(mode=0o700)
        (self.own / "server.py").touch()
        self.path = f"{self.own / 'bin'}:/usr/bin:/bin"

    def leads(self, *, places: list[Path] | None = None, command: str = "mine", **how: Any) -> list[str]:
        """Give the keys by which a program leads to where agents write: the project, unless other places are said."""
        env = {name: Template(value) for name, value in how.pop("env", {}).items()}
        environment = how.pop("environment", {})
        program = ByProgram(command=command, env=env, **how)
        where = [self.project] if places is None else places
        return list(not_the_owners(program, where, home=self.home, environment={"PATH": self.path, **environment}))


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """Give a computer."""
    return Computer(tmp_path)


def test_a_program_that_leads_to_a_folder_of_agents_is_not_the_owners(computer: Computer) -> None:
    project = computer.project
    assert computer.leads(command=str(project / "bin" / "planted")) == ["command"]
    assert computer.leads(command="proj/bin/planted") == ["command"]
    assert computer.leads(args=["-y", str(project / "server.py")]) == ["args[1]"]
    assert computer.leads(args=[f"--directory={project}"]) == ["args[0]"]
    assert computer.leads(args=["--from", f"git+file://{project}"]) == ["args[1]"]
    assert computer.leads(args=["proj/server.py"]) == ["args[0]"]
    assert computer.leads(args=["own/../proj/server.py"]) == ["args[0]"]
    assert computer.leads(args=["-m", "proj.server"]) == ["args[1]"]
    assert computer.leads(args=["server.py"], cwd=str(project)) == ["cwd", "args[0]"]
    assert computer.leads(cwd="~/proj") == ["cwd"]
    assert computer.leads(env={"PYTHONPATH": f"/usr/lib:{project}"}) == ["env.PYTHONPATH"]
    assert computer.leads(env={"NODE_OPTIONS": "--require=~/proj/x.js"}) == ["env.NODE_OPTIONS"]
    assert computer.leads(env={"PATH": f"{computer.path}:{project / 'bin'}"}) == ["env.PATH", "PATH"]
    computer.path = f"{project / 'bin'}:{computer.path}"
    assert computer.leads() == ["PATH"]
    assert computer.leads(command="planted") == ["command", "PATH"]


def test_a_path_leads_there_in_whatever_word_it_stands(computer: Computer) -> None:
    project = computer.project
    assert computer.leads(command="make", args=[f"-C{project}", "serve"]) == ["args[0]"]
    assert computer.leads(command="make", args=["-Cproj"]) == ["args[0]"]
    assert computer.leads(args=[f"-r{project}/x.js"]) == ["args[0]"]
    assert computer.leads(command="python3", args=["-mproj.server"]) == ["args[0]"]
    assert computer.leads(command="python3", args=["-Bmproj.server"]) == ["args[0]"]
    assert computer.leads(args=["--app", "proj.server:app"]) == ["args[1]"]
    assert computer.leads(args=[f"file://localhost{project}/x.ts"]) == ["args[0]"]
    assert computer.leads(args=[f"file://{computer.home}/pr%6fj/x.ts"]) == ["args[0]"]
    assert computer.leads(args=[f"run '{project}/x'; true"]) == ["args[0]"]
    assert computer.leads(args=[f'{computer.home}/pr"o"j/x']) == ["args[0]"]
    assert computer.leads(args=["$WHERE/x"], env={"WHERE": str(project)}) == ["args[0]", "env.WHERE"]
    assert computer.leads(args=["${WHERE:-x}/proj/x"], env={"WHERE": str(computer.home)}) == ["args[0]"]
    assert computer.leads(env={"BASH_ENV": "$HOME/proj/x"}, environment={"HOME": str(computer.home)}) == [
        "env.BASH_ENV"
    ]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["sh", "-c", "cd; cd pr*; exec python3 s*"], "args[0]"),
        (["bash", "-lc", "x"], "args[0]"),
        (["bash", "-o", "pipefail", "--norc", "-ec", "x"], "args[3]"),
        (["/usr/bin/python3.12", "-Ic", "import x"], "args[0]"),
        (["python3", "-W", "ignore", "-cimport x"], "args[2]"),
        (["node", "--no-warnings", "-pe", "x"], "args[1]"),
        (["node", "--eval=x"], "args[0]"),
        (["deno", "eval", "x"], "args[0]"),
        (["perl", "-ne", "x"], "args[0]"),
        (["npx", "-c", "x"], "args[0]"),
        (["env", "-i", "A=b", "ruby", "-e", "x"], "args[3]"),
        (["env", "-S", "sh -c x"], "args[1]"),
        (["run", "x" * 5000], "args[0]"),
    ],
)
def test_code_among_the_words_leads_everywhere_unless_the_owner_says_otherwise(
    computer: Computer, words: list[str], place: str
) -> None:
    [command, *args] = words
    assert f"{place} has code" in computer.leads(command=command, args=args)
    assert computer.leads(command=command, args=args, ours=True) == []
    assert computer.leads(command=command, args=args, places=[]) == []


def test_by_the_owners_word_what_leads_there_in_sight_still_does(computer: Computer) -> None:
    assert computer.leads(command="sh", args=["-c", "exec ~/proj/x"], ours=True) == ["args[1]"]


def test_a_folder_is_the_same_by_each_of_its_names(computer: Computer) -> None:
    """As on a disk that does not tell upper from lower case: there a path can name it in another way than the approval did."""
    (computer.home / "alias").symlink_to(computer.project)
    for place in (computer.home / "alias", Path(f"/{computer.project}")):
        assert computer.leads(args=["own/x", "proj/server.py"], places=[place]) == ["args[1]"]
    inner = Path(f"/{computer.own / 'bin'}")
    assert agents_may_write_to(computer.own, [inner])
    assert not agents_may_write_to(computer.project, [inner])


def test_a_folder_that_has_one_of_agents_in_it_is_not_the_owners_but_a_home_may_have(computer: Computer) -> None:
    inner = computer.own / "packages"

    assert computer.leads(places=[inner], args=["--directory", str(computer.own)]) == ["args[1]"]
    assert computer.leads(places=[inner], args=[str(computer.home)]) == []
    assert computer.leads(places=[computer.home], args=[]) == ["cwd", "command", "PATH"]


def test_a_link_leads_where_it_leads_and_whoever_may_change_it_chooses_where(computer: Computer) -> None:
    (computer.own / "to").symlink_to(computer.project)
    (computer.project / "back").symlink_to(computer.own)
    (computer.own / "through").symlink_to("../proj/back/server.py")
    (computer.own / "round").symlink_to("round")

    assert computer.leads(args=["own/to/server.py"]) == ["args[0]"]
    assert computer.leads(args=["own/through"]) == ["args[0]"]
    assert computer.leads(args=["own/round"]) == []
    assert not agents_may_write_to(computer.own / "server.py", [computer.project])


def test_what_is_the_owners_is_started(computer: Computer) -> None:
    assert computer.leads(args=["-y", "@scope/server@1.2.3", "own/server.py", "--name", "projects", ""]) == []
    assert computer.leads(command="npx", args=["-y", "server@1", "-c", "own/config.json"]) == []
    assert computer.leads(command="python3", args=["-m", "server", "-c", "own/config.json"]) == []
    assert computer.leads(command="python3", args=["own/server.py", "-e", "production"]) == []
    assert computer.leads(command="bash", args=["own/start.sh", "-c", "own/config"]) == []
    assert computer.leads(env={"TOKEN": "${MISSING}${file:/nowhere}", "URL": "https://example.org/x"}) == []
    assert computer.leads(places=[], args=["proj/server.py"]) == []


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors without any yet."""
    async with ConnectorWorld(tmp_path) as world:
        yield world


async def test_a_program_in_a_folder_that_agents_may_change_is_not_started_and_the_owner_is_told(
    world: ConnectorWorld,
) -> None:
    world.defines(mail=world.program("mail"))
    folders = [Folder(world.root, writable=True)]  # the server's notes are in it

    assert await world.connectors.tools(world.work("mail", folders=folders)) == []

    assert world.notes("mail") == []
    [step] = world.told
    assert isinstance(step, Step)
    assert "agents may write to what it is started from" in step.detail
    [seen] = world.connectors.seen(folders)
    assert [mistake.place for mistake in seen.mistakes] == ["mcpServers.mail"]
    assert str(world.root) not in step.detail
    assert world.connectors.seen()[0].mistakes == ()
    checked = await world.connectors.check("mail", keep=True, folders=folders)
    assert checked is not None
    assert (checked.life.state, world.notes("mail")) == (State.OFF, [])


async def test_nor_is_one_in_the_own_folder_of_an_external_agent(world: ConnectorWorld) -> None:
    world.defines(mail=world.program("mail"))
    world.agents_own.append(world.root / "mail")

    assert await world.connectors.tools(world.work("mail")) == []

    assert world.notes("mail") == []
    assert len(world.connectors.seen()[0].mistakes) == 1


async def test_a_folder_that_is_approved_for_changes_ends_what_is_started_from_it(world: ConnectorWorld) -> None:
    world.defines(mail=world.program("mail"))
    work = world.work("mail", replies=[YES] * 2)
    await world.calls(work, "mail__echo", text="hello")

    world.connectors.permissions_changed(["mail"], [Folder(world.root)])
    assert world.connectors.seen()[0].life.state is State.READY
    world.connectors.permissions_changed(["mail"], [Folder(world.root, writable=True)])

    await until(lambda: world.connectors.seen()[0].life.state is State.OFF)
    assert len(asked(work)) == 1
