"""What a computer does by itself, at times that its owner set up there: docs/schedule.md."""
