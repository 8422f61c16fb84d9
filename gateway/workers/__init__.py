"""Media workers as the gateway sees them: processes that take streams, and streams that outlive processes."""
