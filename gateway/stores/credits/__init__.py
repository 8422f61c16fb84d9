"""Credits in SQL: accounts, transactions and their entries, written together or not at all."""
