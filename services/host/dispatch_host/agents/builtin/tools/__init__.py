"""What the assistant can do, one tool to a module: `run(query, bench)` gives Findings or raises CannotDo or WhichOne."""
