"""Alerts: who should know is told when something changes for the worse, and when it is well again."""
