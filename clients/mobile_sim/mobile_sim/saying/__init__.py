"""What the phone says to people, in lines: `sayer` has what a task does, and the others what needs no memory."""
