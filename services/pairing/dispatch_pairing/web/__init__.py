"""The account page: what the owner of an account sees and may change in a browser. Knows no gRPC."""
