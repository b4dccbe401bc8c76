"""What ``make bench`` runs: launches beside ssh, the launcher's CPU beside its imports, the server's memory."""
