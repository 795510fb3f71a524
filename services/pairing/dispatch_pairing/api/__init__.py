"""The gRPC face: a module a service of the contract, and the desk that lets callers in."""
