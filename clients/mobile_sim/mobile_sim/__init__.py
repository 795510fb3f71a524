"""A phone on the command line."""

import dispatch  # noqa: F401 -- sets what grpc reads when it is first imported, whatever is imported first here
