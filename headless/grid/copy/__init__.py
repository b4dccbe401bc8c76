"""Copying files between this machine and the grid, whole or not at all."""
