"""headless: jobs on a server, with nobody at the keyboard."""

__version__ = "0.1.0"
