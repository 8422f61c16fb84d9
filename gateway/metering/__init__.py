"""Minutes at work: clocks of media, sessions that use it up, and the till that holds and settles for them."""
