"""Local-Optimistic Scheduling as pure decisions: no clock, no files, no randomness but a passed generator (Paper B)."""
