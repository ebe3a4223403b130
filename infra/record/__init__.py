"""The record of a session or a run, opened for questions: decisions whole, orders, windows, parameters, health."""
