"""The built-in assistant: everyday questions about files, answered without a key and without a network.

driver.py is the Agent; worker.py is the process each task runs in; program.py is the task; parse.py understands what
was asked; tools/ does it. docs/assistant.md says what people can ask. Nothing is imported here: a worker starts for each task,
and what the agent needs it need not load.
"""
