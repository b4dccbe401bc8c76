"""The shipped modules, useful as they are and written as examples."""
