"""The log and the seats of several relays, in PostgreSQL (docs/scale.md). `opening.open_store` makes both.

A batch of ops is one transaction with few round trips: `loading` reads what its ops are about, `deciding` applies them in memory,
`writing` stores what changed, `transaction` does these in turn, `committer` runs one after the other and says what came of
each. `seats` says which pairings are ours; `reading` answers the questions of rooms.
"""
