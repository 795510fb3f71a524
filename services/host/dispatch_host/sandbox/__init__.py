"""Starting programs, confined: what an agent's terminal is made of. docs/permissions.md says what a program can reach.

`Bubblewrap` and `Unconfined` are the two ways, behind `Programs`; `probe` says whether the first can be had. Knows no agents,
no tasks and no permissions: whoever calls has asked the gate, and hands in the folders. Nothing is imported here: the keeper,
which is started for each program, is of this package, too.
"""
