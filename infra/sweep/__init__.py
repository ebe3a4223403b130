"""Sweeps: many sets of parameters over many windows, on all cores or on a cluster, each cell kept as it is done."""
