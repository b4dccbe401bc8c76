"""The collector's inside: what has come is spooled, opened, checked and stored."""
