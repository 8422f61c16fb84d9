"""Media transforms: bytes to captions and voices.

Knows nothing of accounts, sessions or HTTP. Every time in here is a position on the audio clock of one
stream, in seconds, counted from its first sample; no wall clock decides what a caption says.
"""
