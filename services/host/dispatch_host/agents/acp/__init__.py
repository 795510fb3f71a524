"""Agents that somebody else made, over the Agent Client Protocol. docs/external-agents.md.

Imports nothing here: `session` and what it needs load the official SDK, which takes a while, and only when a task starts.
"""
