"""Live sockets: the thin shells around `sessions.live`, and what they share."""
