"""The SDK of Dispatch: the contract's stubs, errors, the sealed session, the thread client, the runtime of services.

Sets, before anything else of ours can import it, what grpc reads once when it is first imported. These are the only
process-wide settings that we touch; whoever has set them already is obeyed.
"""

import os

# Measured at 1.5 to 1.8 times the cost per message:
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
# We fork only to run another program. With fork support grpc wakes its threads in the child before it does, and about one
# child in twenty of a busy process under uvloop dies before it has begun.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# What it logs by itself (a connection that went away) is said again, and better, by the status of the call; and each stranger's
# failed TLS handshake would be a line among a service's JSON.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

GRPC_EXPERIMENTS = os.environ["GRPC_EXPERIMENTS"]
"""What is in force, for the log of a service's start."""
