"""What is told outside about settled minutes: the usage log and CloudEvents, both read from the outbox."""
