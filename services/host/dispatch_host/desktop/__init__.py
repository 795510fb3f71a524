"""The person's desktop for agents: what is open, what comes to the front, what is opened. docs/desktop.md.

One interface in desktop.py, an implementation for each system, and `best_desktop` that chooses. Nothing is imported here.
"""
