"""What Grafana shows of Dispatch, and how it is told."""
