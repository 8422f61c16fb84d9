"""Fan-out: one message, framed once, written to every wire that follows its topic."""
