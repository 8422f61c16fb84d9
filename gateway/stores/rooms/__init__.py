"""Rooms, polls and ballots in SQL: what their rules decide, written whole or not at all, many at a time.

Two journals for the group-commit writer: `RoomChanges(bounds, poll_bounds)` takes CreateRoom, ActInRoom and
LoseSeats, `PollChanges(bounds, poll_bounds)` CreatePoll and ActInPoll (operations.py); what is asked is in
reads.py.
"""
