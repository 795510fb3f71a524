"""What agents may do here: data that the owner sets, and the gate that asks it at each use. docs/permissions.md."""
