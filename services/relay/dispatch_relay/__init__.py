"""The relay: carries threads, knows who is there, gives verdicts."""

import dispatch  # noqa: F401 -- sets what grpc reads when it is first imported, whatever is imported first here
