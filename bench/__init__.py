"""Measures what the server costs on this machine, as ratios to a raw socket loop: `python -m bench`."""
