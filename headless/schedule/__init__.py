"""The lines, units and tasks by which a scheduler starts a command."""
