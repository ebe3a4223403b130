"""Traces: decisions, supervisor cycles and chat turns as run trees, sent off the desk's process and kept nearby."""
