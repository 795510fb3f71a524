"""A language model as the agent: settings, the way to its provider, and the conversation with it. docs/language-model.md.

`LanguageModel` is light; what it needs of libraries is imported in a thread when the first task starts.
"""

from dispatch_host.agents.llm.agent import LanguageModel

__all__ = ["LanguageModel"]
