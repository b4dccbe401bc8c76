"""Versions compared as each package manager compares them."""
