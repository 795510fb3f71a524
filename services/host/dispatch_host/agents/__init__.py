"""What can do a task on this computer: one interface, and the agents behind it.

The runner imports from here. An agent knows the approved folders and the thread's earlier turns, and nothing of
links, journals or the server.
"""

from dispatch_host.agents.agent import (
    JSON,
    Agent,
    AgentEvent,
    Artifact,
    Ask,
    NotDone,
    NotDoneReason,
    Progress,
    Result,
    Step,
    Task,
    Text,
    Turn,
)

__all__ = [
    "JSON",
    "Agent",
    "AgentEvent",
    "Artifact",
    "Ask",
    "NotDone",
    "NotDoneReason",
    "Progress",
    "Result",
    "Step",
    "Task",
    "Text",
    "Turn",
]
