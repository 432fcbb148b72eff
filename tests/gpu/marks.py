"""What every test here carries: it is collected everywhere and says why it did not run."""

import pytest
import torch

REASON = "needs a CUDA device; `make gpu` runs these on a machine that has one"
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason=REASON)]
CUDA = torch.device("cuda")
