"""Logs: what a session decided and what became of it, as lines of JSON for whoever collects logs."""
