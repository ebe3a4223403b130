"""Proofs that need processes, files and journals of their own; `evals.proof` says what a proof is."""
