"""What is stored: one writer over SQLite or PostgreSQL, and schemas that grow."""
