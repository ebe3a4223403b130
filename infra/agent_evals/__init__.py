"""Evals of what the agents say: a model, or scripts of known honesty, put to the suites of `evals.agent_*`."""
