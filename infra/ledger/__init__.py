"""The books of account: what we own and owe, in double entry, made of the journal and durable beside it."""
