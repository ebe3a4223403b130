"""Feeds apart from desks: one process hears them, and desks take their frames off a bus."""

from typing import Final

FEEDS: Final = "feeds"
"""What the names of an ingest's topics begin with, unless said otherwise: a desk's own tee has others."""
