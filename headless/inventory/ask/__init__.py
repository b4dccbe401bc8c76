"""The questions answered from what is stored."""
