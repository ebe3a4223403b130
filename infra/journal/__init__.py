"""The journal: what happened, written down before it is acted on, and read back bit for bit."""
