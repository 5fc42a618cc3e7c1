"""A testbed of your own: the YAML file beside this one, run with LOS and what it is compared with."""

import sys
from pathlib import Path

import edgeresearch as er

testbed = Path(__file__).with_name("testbed.yaml")
found = er.emulate(testbed, hours=2, repeats=2)
found.save(sys.argv[1] if len(sys.argv) > 1 else "results")
print(found.table[["policy", "drop_percent", "mean_hops", "uplink_megabytes"]].round(1).to_string(index=False))
print(found.advice)
