"""What every long-running process of ours shares: server, metrics, logs, signals. Knows no service.

Importing it imports `dispatch.channel` first, which sets what grpc must see before it is imported itself.
"""

from dispatch.channel import GRPC_EXPERIMENTS

__all__ = ["GRPC_EXPERIMENTS"]
