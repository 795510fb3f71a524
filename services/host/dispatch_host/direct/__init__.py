"""The direct path: the phone speaks with this host on the local network, in the session that both have anyway. docs/direct.md."""
