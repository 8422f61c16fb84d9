"""What Redis holds for many processes together: only what may be lost, never a minute nor a vote."""
