"""Metrics as Prometheus reads them, of whichever server: made at most once a second, written and served."""
