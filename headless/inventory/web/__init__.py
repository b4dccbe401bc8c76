"""The collector's face: feeds, the API, and the pages."""
