"""Paper A: the numbers that it states, tables and figures of what was measured beside them."""
