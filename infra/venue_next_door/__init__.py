"""The venue next door: the venue's real protocols on loopback, over a market of our own making or a recorded day."""
