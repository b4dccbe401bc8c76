"""What this machine says of itself: a module per source."""
