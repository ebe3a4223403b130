"""The supervisor's dealings with the world: what it observes, rehearses, asks, and writes down."""
