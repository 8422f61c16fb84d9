"""HTTP routes by area, and the one shape of their errors."""
