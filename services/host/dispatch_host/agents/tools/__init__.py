"""The tools of a language model over what this host can do itself: files, changes, programs, and the person."""

from dispatch_host.agents.tools.files import FileTools
from dispatch_host.agents.tools.person import PersonTools
from dispatch_host.agents.tools.programs import ProgramTools

__all__ = ["FileTools", "PersonTools", "ProgramTools"]
