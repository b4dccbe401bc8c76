"""Command lines: parse, call, print; the one error boundary."""
