"""What is computed for `numbers`: matrices, operators, solvers and probes of small models of fixed weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from htmu_diag import matrices, operators, probes, solvers
from htmu_diag.errors import HTMUError
from htmu_diag.matrices import Inventory
from htmu_diag.operators.ntk import empirical_ntk
from htmu_diag.probes import StepContext
from htmu_diag.probes.temperature import Temperature
from htmu_diag.spectrum import Kind, Source
from tests.golden.analysis_wing import spectrum_of


def told(work: Callable[[], Any]) -> Any:
    """The result of it, or the sentence of its refusal."""
    try:
        return work()
    except HTMUError as error:
        return str(error)


def waves(*shape: int, start: float = 0.3) -> torch.Tensor:
    """Numbers of order one, no two alike and without chance."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(start + 1.7 * count + 0.013 * count**2).reshape(shape)


def filled(model: nn.Module) -> nn.Module:
    """The model in double precision, with weights of known values."""
    model.double()
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            parameter.copy_(waves(*parameter.shape, start=float(place)) / max(parameter.shape[-1], 2) ** 0.5)
    return model.eval()


class Sentences(nn.Module):
    """Embedding, attention, a tied head, in the manner of a language model."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 9, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        return self.head(self.norm(x + self.attention(x, x, x, need_weights=False)[0])).mean(1)  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(x)[0][:, -1])  # type: ignore[no-any-return]


def dense() -> nn.Module:
    return filled(nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.LayerNorm(7), nn.Linear(7, 3)))


def convolutions() -> nn.Module:
    return filled(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
            nn.BatchNorm2d(4),
            nn.SiLU(),
            nn.GroupNorm(2, 4),
            nn.Flatten(),
            nn.Linear(16, 2),
        )
    )


MODELS: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "dense": (dense, waves(8, 5)),
    "convolutions": (convolutions, waves(6, 2, 4, 4)),
    "sentences": (lambda: filled(Sentences()), torch.arange(15).reshape(5, 3) * 5 % 9),
    "recurrent": (lambda: filled(Recurrent()), waves(4, 3, 3)),
}
LABELS = torch.arange(8) * 2 % 3


def of_kernels(name: str) -> dict[str, Any]:
    make, x = MODELS[name]
    model = make()
    trace = empirical_ntk(model, x, layerwise=True)
    full = empirical_ntk(model, x, outputs="full", chunk=3)
    features = operators.conjugate_kernel(model, x)
    found = {
        "trace": (trace.matrix, trace.layers, trace.sizes, trace.error, str(trace.plan)),
        "full": (full.matrix, str(full.plan)),
        "pseudo": empirical_ntk(model, x, outputs="pseudo").matrix,
        "tight": empirical_ntk(model, x, memory=40_000).plan,
        "spectra": [solvers.ntk_spectrum(trace, step=4), solvers.ntk_spectrum(full)],
        "features": [(each.name, each.matrix, each.covariance, each.count) for each in features.values()],
        "of_features": [(solvers.feature_spectrum(e, 2), solvers.covariance_spectrum(e)) for e in features.values()],
        "cost": (cost := solvers.ntk_cost(model, x, 3), str(cost), solvers.ntk_cost(model, x, None)),
        "product": operators.ntk_operator(model, x, chunk=3).matvec(waves(full.matrix.shape[0])),
    }
    targets = waves(len(x), full.outputs)
    numbers = {
        "alignment": operators.kernel_target_alignment(trace.matrix, targets),
        "uncentred": operators.kernel_target_alignment(trace.matrix, targets, centred=False),
        # of equal eigenvalues no vector is chosen
        "coefficients": None if name == "sentences" else operators.target_coefficients(trace.matrix, targets),
        "centred": operators.class_centred(trace.matrix, torch.arange(len(x)) % 2),
    }
    if x.is_floating_point():
        numbers["jacobian"] = solvers.jacobian_spectrum(operators.input_output_jacobian(model, x, chunk=3))
    return found | numbers


def of_curvature() -> dict[str, Any]:
    model, x = dense(), MODELS["dense"][1]
    halves = [(x[:5], LABELS[:5]), (x[5:], LABELS[5:])]
    smooth = nn.CrossEntropyLoss(ignore_index=2, label_smoothing=0.1, weight=waves(3).abs())
    losses: dict[str, Any] = {
        "entropy": nn.CrossEntropyLoss(),
        "awkward": smooth,
        "sum": nn.CrossEntropyLoss(reduction="sum"),
    }
    builders: dict[str, Any] = {
        "hessian": operators.HessianOperator,
        "ggn": operators.GGNOperator,
        "second": operators.GradientSecondMoment,
        "covariance": operators.gradient_covariance,
        "fisher": operators.FisherOperator,
    }
    found: dict[str, Any] = {}
    for name, build in builders.items():
        for loss, loss_fn in losses.items():
            if not (name == "fisher" and loss == "awkward"):
                found[f"{name}.{loss}"] = build(model, loss_fn, halves).matvec(waves(found_size(model)))
    squares = operators.GGNOperator(model, nn.MSELoss(), (x, waves(8, 3)), include=("0.*",), weight_decay=0.5)
    block = operators.HessianOperator(model, losses["entropy"], (x, LABELS)).block("3.weight")
    sampled = operators.FisherOperator(model, losses["entropy"], (x, LABELS), kind="mc", draws=2, seed=3)
    empirical = operators.FisherOperator(model, losses["entropy"], (x, LABELS), kind="empirical")
    check = operators.self_check(operators.HessianOperator(model, losses["entropy"], (x, LABELS)))
    return found | {
        "squares": (squares.shape, squares.matvec(waves(squares.shape[0]))),
        "block": solvers.dense_matrix(block, block=4),
        "sampled": sampled.matvec(waves(sampled.shape[0])),
        "empirical": empirical.matvec(waves(sampled.shape[0])),
        "checked": (check.passed, check.modules),
    }


def found_size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def symmetric(n: int = 36) -> torch.Tensor:
    """Its largest eigenvalues stand apart, its smallest is negative."""
    basis = torch.linalg.qr(waves(n, n))[0]
    return (basis * (torch.linspace(-1.0, 2.0, n, dtype=torch.float64) + 8.0 * (torch.arange(n) > n - 3))) @ basis.T


def of_solvers() -> dict[str, Any]:
    matrix, rng = symmetric(), torch.Generator().manual_seed
    operator, source = operators.MatrixOperator(matrix), Source(Kind.HESSIAN, "model", (36, 36), 7)
    tall, square = waves(9, 6), waves(8, 8)
    weights = Source(Kind.WEIGHTS, "w", (9, 6))
    runs = {
        policy: solvers.lanczos(operator, steps=9, v0=waves(36), reorthogonalize=policy)  # type: ignore[arg-type]
        for policy in ("full", "selective", "none")
    }
    return {
        "lanczos": {
            policy: (run.alphas, run.betas, run.exhausted, run.reorthogonalized) for policy, run in runs.items()
        },
        "density": [
            solvers.spectral_density(operator, source, steps=10, probes=3, deflate=deflate, rng=rng(0))  # type: ignore[arg-type]
            for deflate in ("auto", "never")
        ],
        "top": [solvers.top_k(operator, 2, which, rng=rng(1)).values for which in ("largest", "smallest", "both")],  # type: ignore[arg-type]
        "pairs": solvers.top_k(operator, 2, rng=rng(1)).spectrum(source),
        "traces": [
            solvers.trace(operator, products=12, method=method, rng=rng(2))  # type: ignore[arg-type]
            for method in ("hutchinson", "hutch++", "xtrace")
        ],
        "blocks": solvers.block_traces(operator, [6, 20, 10], products=6, rng=rng(3)),
        "exact": [
            solvers.exact_spectrum(w, weights, routine=routine, vectors=vectors)  # type: ignore[arg-type]
            for w in (tall, tall.T.contiguous())
            for routine, vectors in (("auto", True), ("gram", False), ("svdvals", False))
        ],
        "low": solvers.exact_spectrum(tall.bfloat16(), weights, dtype=torch.float32),
        "many": solvers.exact_spectra([square, 2 * square], [Source(Kind.WEIGHTS, n, (8, 8)) for n in "ab"]),
        "product": solvers.product_spectrum(waves(7, 2), waves(2, 5), Source(Kind.WEIGHTS, "lora", (7, 5))),
        "whole": solvers.exact_operator_spectrum(operator, source),
        "dense": solvers.dense_matrix(operator, block=5),
        "shifted": operators.Shifted(operator, 0.5).matvec(waves(36)),
        "routes": [
            solvers.full_ntk_spectrum(dense(), waves(8, 5), k=k, method=m) for k, m in ((None, "auto"), (3, "top_k"))
        ],  # type: ignore[arg-type]
    }


def stored() -> dict[str, torch.Tensor]:
    """A checkpoint of many conventions."""
    return {
        "transformer.h.0.attn.c_attn.weight": waves(8, 24),
        "transformer.h.0.mlp.c_fc.weight": waves(8, 32),
        "model.layers.0.self_attn.qkv_proj.weight": waves(16, 8),
        "model.layers.0.self_attn.q_proj.weight": waves(8, 8),
        "model.layers.0.self_attn.k_proj.weight": waves(4, 8),
        "model.layers.0.mlp.gate_up_proj.weight": waves(24, 8),
        "model.layers.0.mlp.experts.gate_up_proj": waves(3, 8, 12),
        "model.layers.0.mlp.experts.down_proj": waves(3, 6, 8),
        "model.layers.0.mlp.gate.weight": waves(3, 8),
        "model.embed_tokens.weight": waves(20, 8),
        "lm_head.weight": waves(20, 8),
        "conv1.weight": waves(6, 4, 3, 3),
        "depthwise.weight": waves(6, 1, 3, 3),
        "norm.weight": waves(8),
        "rnn.weight_ih_l0": waves(16, 3),
        "base.q_proj.lora_A.weight": waves(2, 8),
        "base.q_proj.lora_B.weight": waves(6, 2),
        "fc.weight_g": waves(5, 1),
        "fc.weight_v": waves(5, 7),
        "counts": torch.arange(6).reshape(2, 3),
        "buffer.running_mean": waves(4),
        "empty.weight": waves(0, 4),
        "names.weight": waves(1, 9),
    }


def sum_in_order(matrix: torch.Tensor) -> float:
    """A number that tells where each number of a matrix lies."""
    numbers = (torch.view_as_real(matrix) if matrix.is_complex() else matrix).double().flatten()
    return float((numbers * waves(numbers.numel(), start=1.0)).sum())


def listed(found: Inventory) -> dict[str, Any]:
    kept = [(m.name, m.shape, m.role, m.parameter, sum_in_order(m.stored())) for m in found.matrices]
    return {"kept": kept, "skipped": found.skipped}


def of_matrices() -> dict[str, Any]:
    model = nn.Sequential(convolutions(), dense(), filled(Recurrent()), filled(Sentences()))
    choices: dict[str, dict[str, Any]] = {
        "plain": {},
        "heads": {"heads": 2},
        "whole": {"fused": False, "min_side": 4},
        "positions": {"conv": "positions"},
        "groups": {"conv": "groups", "heads": True},
        "chosen": {"include": ("*.weight",), "exclude": ("*norm*", "model.*")},
    }
    stored_ones = {f"stored.{name}": listed(matrices.checkpoint_matrices(stored(), **c)) for name, c in choices.items()}
    live = {f"live.{name}": listed(matrices.matrices(model, **choice)) for name, choice in choices.items()}
    return stored_ones | live


def context(step: int = 3, **changes: Any) -> StepContext:
    batch = (MODELS["dense"][1], LABELS)
    loss_fn = nn.CrossEntropyLoss()
    return StepContext(**{"step": step, "model": dense(), "batch": batch, "loss_fn": loss_fn, "seed": 7, **changes})


def of_probes() -> dict[str, Any]:
    here = context()
    sgd = torch.optim.SGD(here.model.parameters(), lr=0.1, momentum=0.9)
    adam = torch.optim.Adam(here.model.parameters(), lr=0.01)
    nn.CrossEntropyLoss()(here.model(MODELS["dense"][1]), LABELS).backward()
    with torch.no_grad():
        kept = [parameter.clone() for parameter in here.model.parameters()]
        adam.step()
        for parameter, before in zip(here.model.parameters(), kept, strict=True):
            parameter.copy_(before)
    chosen = {
        "ntk": probes.NTKProbe(samples=6, layerwise=True),
        "features": probes.ConjugateKernelProbe(samples=6),
        "jacobian": probes.JacobianProbe(samples=6),
        "noise": probes.GradientNoiseProbe(groups=4),
        "curvature": probes.CurvatureProbe(steps=8, outliers=2, which="both", layers=True, layer_products=12),
        "ggn": probes.CurvatureProbe("ggn", steps=6, probes=2),
    }
    measured = {name: list(probe.measure(here)) for name, probe in chosen.items()}
    steady = {
        name: [
            s.scalars for s in probes.CurvatureProbe(steps=8).measure(context(model=here.model, optimizer=optimizer))
        ]
        for name, optimizer in (("sgd", sgd), ("adam", adam))
    }
    return {**measured, **steady, **of_a_path(), "weights": list(probes.WeightsProbe(vectors=1).measure(here))}


def of_a_path() -> dict[str, Any]:
    """Six steps of gradient descent, watched."""
    here = context(0)
    optimizer, probe = (
        torch.optim.SGD(here.model.parameters(), lr=0.2),
        probes.TrajectoryProbe(window=5, coordinates=40),
    )
    temperature, rates = Temperature(optimizer, 8, 0), []
    for step in range(7):
        probe.observe(here.at(step))
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(here.model(MODELS["dense"][1] + 0.1 * step), LABELS).backward()
        optimizer.param_groups[0]["lr"] *= 0.9
        optimizer.step()
        rates.append(temperature.numbers(step))
    return {"path": list(probe.measure(here.at(6))), "rates": rates}


def of_schedules() -> dict[str, Any]:
    made = {"ten": 10, "words": "log", "eight": probes.Logarithmic(4), "some": [0, 3, 50], "every": probes.Every(7)}
    due = {name: [step for step in range(300) if probes.schedule(spec)(step)] for name, spec in made.items()}  # type: ignore[arg-type]
    priced = spectrum_of(MODELS["dense"][1][0].abs().numpy(), 0.5)
    return {"due": {name: torch.tensor(steps) for name, steps in due.items()}, "priced": priced}


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "operators": {
        **{name: (lambda name=name: of_kernels(name)) for name in MODELS},  # type: ignore[misc]
        "curvature": of_curvature,
    },
    "solvers": {"solvers": of_solvers},
    "matrices": {"matrices": of_matrices},
    "probes": {"probes": of_probes, "schedules": of_schedules},
}
