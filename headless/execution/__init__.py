"""Processes on this machine: how a job is started, watched and brought to its end."""
