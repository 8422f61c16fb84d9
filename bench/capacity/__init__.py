"""How many machines carry an audience: measured costs, a model fitted to them, a simulation of it."""
