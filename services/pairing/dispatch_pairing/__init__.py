"""The pairing service: accounts, devices, offers, pairings, grants, trust."""

import dispatch  # noqa: F401 -- sets what grpc reads when it is first imported, whatever is imported first here
