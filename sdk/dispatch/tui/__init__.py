"""What the screens of phone and host share. Needs the extra `tui`; imported by nothing else."""
