"""Use case: run one job over a session and tell the truth about its end."""
