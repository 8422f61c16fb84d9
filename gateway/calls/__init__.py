"""Calls at work: what rules decide is written, told to every device of both, and kept to its deadlines."""
