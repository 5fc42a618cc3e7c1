"""From a forecast to pods: the service under a trace, autoscaling policies, errors by phase (Paper A, section 3)."""
