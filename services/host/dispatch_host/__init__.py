"""The host: does on a person's computer what paired phones ask."""

import dispatch  # noqa: F401 -- sets what grpc reads when it is first imported, whatever is imported first here
