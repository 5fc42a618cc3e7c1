"""Speed and memory against peers: pairs measured in one run, on one thread. Run it with `make bench`."""
