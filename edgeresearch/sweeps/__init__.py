"""Any experiment over many settings and seeds, in parallel, stopped and continued at will."""
