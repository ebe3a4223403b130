"""Fast state: what processes must agree on at once; one port, a store of this process, and one that Redis keeps."""
