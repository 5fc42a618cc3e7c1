"""A testbed of your own: the YAML file beside this one, run with LOS and what it is compared with."""

import sys
from pathlib import Path

from edgeresearch.config import Params
from edgeresearch.emulator.api import los_file

testbed = Path(__file__).with_name("testbed.yaml")
out = sys.argv[1] if len(sys.argv) > 1 else "results"
report = los_file(testbed, out, section=Params().los.model_dump(), hours=2, repeats=2)
print(report.table[["policy", "drop_percent", "mean_hops", "uplink_megabytes"]].round(1).to_string(index=False))
print(report.advice.line)
