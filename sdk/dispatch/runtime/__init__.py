"""What every long-running process of ours shares: server, metrics, logs, signals. Knows no service."""
