"""The command line of the grid: what is typed, and what is printed."""
