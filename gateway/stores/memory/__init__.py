"""What one process holds by itself without Redis, or while it is lost: bounded, and never waited for."""
