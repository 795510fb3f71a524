"""What a phone and a host both are: a device with a home, keys, a sign-in and pairings. Knows no tasks."""
