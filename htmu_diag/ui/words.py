"""Every word and label of the views that stands for a number, from the tables of `analysis` and `theory`, as JSON.

The views never spell a quantity's symbol, unit, range or meaning themselves; a quantity that is added to
`analysis.QUANTITIES` has its label there at once.
"""

from __future__ import annotations

import math
from typing import Any

from htmu_diag.analysis import QUANTITIES
from htmu_diag.analysis.hold import HOLD
from htmu_diag.analysis.repulsion import CAUSED, FAR, POPULATION
from htmu_diag.analysis.summary import FEWEST
from htmu_diag.fits.null_table import LEAST_P
from htmu_diag.kinds import Kind
from htmu_diag.theory import Phase, phases

__all__ = ["HELD", "phase_letters", "words"]

_LETTERS = {
    Phase.RANDOM_LIKE: "R",
    Phase.BLEEDING_OUT: "B",
    Phase.BULK_AND_SPIKES: "S",
    Phase.BULK_DECAY: "D",
    Phase.HEAVY_TAILED: "H",
    Phase.RANK_COLLAPSE: "C",
}
_MEANINGS = {
    Phase.RANDOM_LIKE: "The whole spectrum is what a matrix of independent noise has.",
    Phase.BLEEDING_OUT: "Noise, and a few eigenvalues that have just left its edge.",
    Phase.BULK_AND_SPIKES: "A bulk of noise, and eigenvalues well apart from it: learned directions.",
    Phase.BULK_DECAY: "The bulk is no longer noise, and there is no heavy power-law tail.",
    Phase.HEAVY_TAILED: "The bulk is no longer noise and the tail is a power law with a small exponent.",
    Phase.RANK_COLLAPSE: "A tenth of the eigenvalues or more are near zero, beyond what noise has there.",
}
# what the overview can show: a quantity, or one minus another; range: fixed limits, where the eye should compare runs
_COLOURS: tuple[dict[str, Any], ...] = (
    {"quantity": "phase"},
    {"quantity": "log_kappa", "range": [-1, 4]},
    {"quantity": "alpha", "minus": "alpha_noise"},
    {"quantity": "alpha", "minus": "alpha_predicted"},
    {"quantity": "alpha"},
    {"quantity": "spikes"},
    {"quantity": "p", "range": [0, 1]},
    {"quantity": "bulk_p", "range": [0, 1]},
    {"quantity": "stable_rank"},
    {"quantity": "zero_fraction", "range": [0, 1]},
    {"quantity": "log_norm"},
    {"quantity": "entropy_deficit"},
)
# "left noise" is a verdict and no limit of kappa: noise itself has a kappa of N, which is small where matrices are
_NOT_NOISE = [phase.order for phase in Phase if phase not in (Phase.RANDOM_LIKE, Phase.UNDETERMINED)]
_BEFORE = f'; it may come before "left noise", which waits until {HOLD} measurements in a row agree on the phase'
_FIRSTS: tuple[dict[str, Any], ...] = (
    {"name": "left noise", "phases": _NOT_NOISE, "meaning": f"another phase than {Phase.RANDOM_LIKE.value}"},
    {"name": "first spike", "quantity": "spikes", "from": 1.0, "meaning": "a spike", "beside": _BEFORE},
    {"name": "first heavy tail", "phases": [Phase.HEAVY_TAILED.order], "meaning": Phase.HEAVY_TAILED.value},
)
# what may move the tails, and the probe that measures it
_CAUSES: tuple[dict[str, str], ...] = (
    {"name": "what is to be explained", "quantity": "log_kappa", "kind": "weights", "add": 'probes=["weights"]'},
    {"name": "temperature: learning rate over batch size", "scalar": "temperature/lr_over_batch",
     "add": "batch_size=..."},
    {"name": "temperature: scale of the gradient's noise", "quantity": "noise_scale", "kind": "gradient_noise",
     "add": 'probes=["weights", "gradient_noise"], batch=..., loss_fn=...'},
    {"name": "temperature: scale of the noise in each layer's own steps", "quantity": "noise_scale",
     "kind": "trajectory", "add": 'probes=["weights", "trajectory"]'},
    {"name": "distance from the start", "quantity": "distance", "kind": "weights", "add": 'probes=["weights"]'},
    {"name": "correlation of the data in the layer: exponent by rank", "quantity": "rank_exponent",
     "kind": "activations", "add": 'probes=["weights", "conjugate_kernel"], batch=...'},
    {"name": "correlation of the data in the layer: effective rank", "quantity": "effective_rank",
     "kind": "activations", "add": 'probes=["weights", "conjugate_kernel"], batch=...'},
    {"name": "order of the singular vectors: the top 5 %, left", "quantity": "entropy_left_top_z", "kind": "weights",
     "add": 'probes=[htmu_diag.probes.WeightsProbe(vectors="log")]'},
)  # fmt: skip
# what the values of a kind are, where they are no eigenvalues
_VALUES = {Kind.TRAJECTORY.value: "step length", Kind.GRADIENT_NORM.value: "gradient norm"}
HELD = HOLD  # measurements in a row before a change of phase counts


def words() -> dict[str, Any]:
    """Quantities, phases with their letters, what has none, levels of the tests, and the lists that the views offer."""
    return {
        "quantities": {name: _finite(vars(row)) for name, row in QUANTITIES.items()},
        "phases": [_phase(phase) for phase in Phase if phase is not Phase.UNDETERMINED],
        "equal": dict(phases.EQUAL),
        "heavy": Phase.HEAVY_TAILED.value,
        "levels": {"noise": phases.NOISE_LEVEL, "heavy": phases.HEAVY_ALPHA, "least_p": LEAST_P, "fewest": FEWEST},
        "colours": [dict(colour) for colour in _COLOURS],
        "firsts": [{**first, "meaning": _rule(first["meaning"]) + first.get("beside", "")} for first in _FIRSTS],
        "cause": {"phases": [phase.order for phase in CAUSED], "far": FAR, "sentence": f"{POPULATION.capitalize()}."},
        "causes": [dict(cause) for cause in _CAUSES],
        "values": dict(_VALUES),
        "inverse": [kind.value for kind in Kind if kind.orientation == "inverse"],
        "held": HELD,
    }


def phase_letters() -> dict[str, str]:
    """Phase in words -> its letter."""
    return {phase["name"]: phase["letter"] for phase in words()["phases"]}


def _phase(phase: Phase) -> dict[str, str]:
    letter = _LETTERS.get(phase, phase.value[:1].upper())
    return {"name": phase.value, "letter": letter, "meaning": _MEANINGS.get(phase, "")}


def _rule(what: str) -> str:
    return f"first step that shows {what}: seen {HELD} measurements in a row, as a change in the picture"


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: an open end of a range is null."""
    return {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in row.items()}
