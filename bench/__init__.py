"""Speed against peers: pairs measured in one run, in CPU seconds of one thread. Run it with `make bench`."""
