"""What is going on and what it costs: pure rules of live sessions, channels and topics.

Knows nothing of auth, media or sockets. `now` (seconds, from any steady clock) and ids are arguments.
"""
