"""Rooms and polls in this process: who of them is here, what they are told, and what has to happen when.

Their rules are in `sessions`, their rows in `gateway.stores.rooms`; `rooms.py` drives one with the other.
"""
