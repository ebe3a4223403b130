"""Evaluations of the agents that speak: suites run over a record, by a model, by the one next door, or by code alone."""
