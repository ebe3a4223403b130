"""Metrics: how a session does, followed from its journal by another process, for Prometheus and for alerts."""
