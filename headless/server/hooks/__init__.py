"""Telling people and programs what became of a job: what is told to whom, the outbox, and the courier."""
