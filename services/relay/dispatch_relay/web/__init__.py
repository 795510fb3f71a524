"""How browsers reach the relay: the streams of `service` and `transfer_service` over WebSockets. docs/web.md."""
