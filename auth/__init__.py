"""Who is at the door, what they may do, and how often.

Knows nothing of sessions, media or sockets. Every decision takes `now` (seconds) as an argument and ends
in a value or in a refusal: an exception with fields, defined beside its rule.
"""
