"""Evaluations of the agents that speak: suites over a record, by a model, by the one next door, or by code alone."""
