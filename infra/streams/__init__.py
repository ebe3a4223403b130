"""Streams: connections to every feed, kept alive, watched, and poured into one bounded intake."""
