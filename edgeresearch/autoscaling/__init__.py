"""From a forecast to pods: capacity, strategies, the service under a trace, errors by phase (Paper A, section 3)."""
