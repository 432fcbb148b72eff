"""python -m benchmarks.analyze_cost: what `analyze` costs beside its linear algebra.

A BERT-like encoder of 22.7 M parameters, 40 matrices, CPU seconds of one thread: Gram eigenvalues alone (the floor),
``analyze`` with exponents only, with all fits, and with the p-values of 50 replicates (its default).
"""

from __future__ import annotations

import torch

from benchmarks.common import cpu_seconds, record
from htmu_diag.analysis import Options
from htmu_diag.matrices import matrices
from htmu_diag.offline import analyze
from htmu_diag.solvers import UNIT, exact_spectrum
from htmu_diag.spectrum import Kind, Source


def encoder() -> torch.nn.Module:
    """The shapes of a 6-layer encoder of width 384."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    return BertModel(BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536))


def rows() -> list[tuple[str, float, float]]:
    """(what, CPU seconds, times the floor)."""
    model = encoder()
    listed = matrices(model, min_side=2)

    def floor() -> None:
        for matrix in listed:
            exact_spectrum(matrix.read(), Source(Kind.WEIGHTS, matrix.name, matrix.shape, None, UNIT))

    calls = {
        "eigenvalues alone": floor,
        "analyze, exponents only": lambda: analyze(model, options=Options(tail_only=True)),
        "analyze, all fits, no p-values": lambda: analyze(model, options=Options(bootstrap=0)),
        "analyze, all fits, 50 replicates": lambda: analyze(model),
    }
    seconds = {name: cpu_seconds(call) for name, call in calls.items()}
    return [(name, value, value / seconds["eigenvalues alone"]) for name, value in seconds.items()]


if __name__ == "__main__":
    note = "40 matrices of 22.7 M parameters; CPU seconds, one thread, median of five."
    record("Cost of analyze", ["what", "CPU s", "times the floor"], rows(), note)
