"""Venues: our door to Polymarket's order book: signing, posting, cancelling, and what comes back of it as rows."""
