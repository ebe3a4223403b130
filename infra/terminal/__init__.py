"""The terminal: what a person sees while the desk works and when it has ended, as values first and drawn second."""
