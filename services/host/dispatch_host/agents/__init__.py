"""What can do a task on this computer: one interface, and the agents behind it.

The runner imports from here. An agent knows what the gate allows and the thread's earlier turns, and nothing of
links, journals or the server.
"""

from dispatch_host.agents.agent import (
    Agent,
    AgentEvent,
    Artifact,
    Gate,
    NotDone,
    NotDoneReason,
    Progress,
    Result,
    Step,
    Task,
    Text,
    Turn,
)
from dispatch_host.agents.asking import (
    JSON,
    Allowed,
    Approval,
    Ask,
    Choice,
    Denied,
    NobodyAnswered,
    Question,
    Reach,
    Said,
    canonical,
)
from dispatch_host.agents.words import Words

__all__ = [
    "JSON",
    "Agent",
    "AgentEvent",
    "Allowed",
    "Approval",
    "Artifact",
    "Ask",
    "Choice",
    "Denied",
    "Gate",
    "NobodyAnswered",
    "NotDone",
    "NotDoneReason",
    "Progress",
    "Question",
    "Reach",
    "Result",
    "Said",
    "Step",
    "Task",
    "Text",
    "Turn",
    "Words",
    "canonical",
]
