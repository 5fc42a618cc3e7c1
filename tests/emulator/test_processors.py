"""The same run gives the same bytes on every processor: other kernels of BLAS, other vector instructions in numpy."""

import os
import subprocess
import sys
from functools import cache

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

RUN = """
import sys
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.emulator.testbed import paper_b

for policy, repeats in (("los", 20), ("oracle", 2)):
    rows, _ = compare_policies(Scenario(paper_b()), streams=[8], policies=[policy], repeats=repeats, hours=4, seed=0)
    rows.to_csv(sys.stdout, index=False)
"""
KNOWN = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
"""Instructions beyond numpy's least that this processor has, each building on those before it."""


@cache
def triggers(**variables: str) -> bytes:
    kept = {
        key: value for key, value in os.environ.items() if key not in {"OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES"}
    }
    done = subprocess.run([sys.executable, "-c", RUN], env={**kept, **variables}, capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"OPENBLAS_CORETYPE": "Prescott"}, id="Prescott"),
        pytest.param({"OPENBLAS_CORETYPE": "Haswell"}, id="Haswell"),
        *(
            pytest.param({"NPY_DISABLE_CPU_FEATURES": " ".join(KNOWN[first:])}, id=f"without {KNOWN[first]}")
            for first in range(min(2, len(KNOWN)))
        ),
    ],
)
def test_a_run_hangs_on_no_processor(variables: dict[str, str]) -> None:
    plain = triggers()
    assert plain.count(b"\n") > 10_000  # in fewer triggers, no difference in a last digit may have grown
    assert triggers(**variables) == plain
