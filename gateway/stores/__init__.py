"""What outlives a process: SQL is the truth (minutes, money, sessions); Redis or memory may be lost."""
