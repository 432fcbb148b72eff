"""A rank under torchrun: ``python -m tests.offline.torchrun_rank analyze ...``; the first attempt loses its rank 1."""

import os
import sys

import htmu_diag.offline.measure as measure
from htmu_diag.cli import main
from tests.offline.rank_jobs import misbehaving

if __name__ == "__main__":
    if (os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]) == ("1", "0"):
        measure.layers_of, measure._MOST_TOGETHER = misbehaving("kill"), 1
    sys.exit(main(sys.argv[1:]))
