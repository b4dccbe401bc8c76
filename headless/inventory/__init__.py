"""Inventory: what is installed where, reported, sealed, kept and compared."""
