"""Use case: accept sessions, decide what may run, have it run."""
