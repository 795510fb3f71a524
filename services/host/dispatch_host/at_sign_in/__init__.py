"""Has the system start a person's host when they sign in: `units` writes what the system reads, `manager` tells it so.

Called by `service_cli`. docs/service.md is for the person.
"""
