"""Load by the clock, from several processes: what is due is sent when it is due, whatever has come back."""
