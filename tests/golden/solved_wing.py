"""What is computed for `numbers` by the parts of the solvers at their ends: few steps, ties, starts that are known."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from htmu_diag import operators, solvers
from htmu_diag.solvers.gauss_rules import averaged, jacobi, with_moments
from htmu_diag.solvers.gram import gram
from htmu_diag.solvers.orthogonality import Overlap, project_out
from htmu_diag.solvers.outliers import Outliers, believable, converged
from htmu_diag.solvers.probe_measure import ProbeMeasure
from htmu_diag.solvers.singular import core
from htmu_diag.solvers.tridiagonal import Tridiagonal
from htmu_diag.solvers.vectors import TopVectors, vector_scalars
from htmu_diag.spectrum import Kind, Source
from tests.golden.measurement_wing import symmetric, told, waves


def of_lanczos() -> dict[str, Any]:
    """Few steps, a start that is exhausted, what is deflated."""
    operator, n = operators.MatrixOperator(symmetric()), 36
    basis = torch.linalg.qr(waves(n, n))[0]
    plain, e = operators.MatrixOperator(torch.arange(-2.0, 34.0, dtype=torch.float64).diag()), torch.eye(n).double()
    starts = {"any": (operator, waves(n)), "pair": (plain, 3 * e[0] + 4 * e[5]), "one": (plain, 2 * e[35])}
    runs = {
        f"{start} {policy} {steps}": solvers.lanczos(of, steps=steps, v0=v0, reorthogonalize=policy)  # type: ignore[arg-type]
        for start, (of, v0) in starts.items()
        for policy in ("full", "selective", "none")
        for steps in (1, 2, 3, 4)
    }
    top = basis[:, 34:].T.contiguous()
    runs["deflated"] = solvers.lanczos(operator, steps=5, v0=waves(n), against=[top], norm=10.0)
    found: dict[str, Any] = {
        name: (run.alphas, run.betas[: run.steps - run.exhausted], run.exhausted, run.steps)
        for name, run in runs.items()
    }
    ritz = runs["any full 4"]
    found["residuals"] = ritz.residuals(ritz.ritz()[1])
    found["refused"] = [told(lambda v=v: solvers.lanczos(operator, steps=1, v0=v)) for v in (waves(35), waves(36, 1))]  # type: ignore[misc]
    return found | {"lifted": told(lambda: runs["any none 4"].lift(np.eye(4)))}


def tridiagonal(*alphas: float, beta: float = 1e-3, size: int = 8) -> Tridiagonal:
    betas = np.full(len(alphas), beta)
    return Tridiagonal(np.array(alphas), betas, torch.eye(size, dtype=torch.float64)[: len(alphas)])


def of_outliers() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for beta in (0.0, 1e-6, 0.01, 0.03, 0.3):
        run = tridiagonal(1.0, 2.0, 2.1, -5.0, beta=beta)
        found[f"converged {beta}"] = converged(run), converged(run, 1e6), converged(run, 1e13)
    chances = [np.array(c) for c in ([1.0, 2.0, 3.0], [10.8, 1.0, 10.9], [10.0, 10.0, 10.0], [6.0, 6.0, 1.0], [])]
    found["believable"] = [believable(c, np.ones(c.size, bool)) for c in chances]
    known = Outliers(8, 3)
    found["before"] = known.norm, known.leak, known.overlaps(waves(8))
    first = known.add(tridiagonal(1.0, -4.0, 3.0, 2.0), np.array([True, True, False, True]))
    second = known.add(tridiagonal(9.0, 8.0, 7.0), np.array([True, True, True]))
    third = known.add(tridiagonal(9.0, 8.0, 7.0), np.array([True, True, True]))
    found["added"] = first, second, third, known.values, known.residuals, known.resolution, known.norm, known.leak
    found["left"] = known.remove(waves(2, 8)), known.overlaps(waves(8))
    values, weights = np.array([1.0, 2.0, 4.0]), np.array([0.2, 0.3, 0.1])
    for count in (0, 1, 3):
        measure = ProbeMeasure(values, weights, lambda: waves(8) / waves(8).norm() * 0.5, 5, count, (0.1, 0.2))
        found[f"measure {count}"] = measure.beside(known)[::-1]
    return found


def of_rules() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for count in (1, 2, 3, 4, 7, 8, 12, 16, 20):
        nodes = np.cos(np.arange(count) * 0.7) + 0.01 * np.arange(count)
        weights = 1.0 + np.sin(np.arange(count)) ** 2
        found[f"jacobi {count}"] = jacobi(nodes, weights)
        found[f"averaged {count}"] = [tuple(map(np.sort, averaged(nodes, weights, rules=rules))) for rules in (1, 2, 4)]
        mean = float(weights @ nodes / weights.sum())
        moments = [(mean, mean**2 + 0.5), (mean + 0.3, mean**2 + 1.0), (mean - 0.6, 2.0), (mean, 9.0), (mean, mean**2)]
        found[f"moments {count}"] = [with_moments(nodes, weights, *each) for each in moments if count > 3]
    found["empty ones"] = averaged(np.arange(8.0), np.array([1.0, 0, 2, 0, 3, 4, 1, 0]))
    return found | {"equal": jacobi(np.ones(3), np.ones(3))}


def of_matrices() -> dict[str, Any]:
    memory, found = TopVectors(), dict[str, Any]()
    shapes = ((3, 5), (40, 20), (6, 6), (20, 30), (60, 64))
    for rows, columns in shapes:
        matrix = waves(rows, columns)
        later = matrix + 0.1 * waves(rows, columns, start=2.0)
        found[f"{rows} x {columns}"] = [vector_scalars(w, f"{rows}", memory) for w in (matrix, later, later)]
    low = waves(8, 2) @ waves(2, 9)
    found["low"] = vector_scalars(low), vector_scalars(0 * low), vector_scalars(waves(20, 30), "20", memory)
    found["NaN"] = told(lambda: vector_scalars(low / 0, "w"))
    found["gram"] = [
        gram((4 * waves(*shape)).round().to(t), t)  # whole numbers have no rounding
        for shape in ((2, 1025), (2049, 3))
        for t in (torch.float64, torch.float32)
    ]
    found["core"] = [
        tuple(core(waves(*s), torch.float64).shape) for s in ((4, 2), (5, 2), (2, 4), (2, 5), (3, 3), (6, 3))
    ]
    for share in (0.0, 0.5, 0.70, 0.71, 0.72, 1.0):
        row = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
        vector = torch.tensor([share, (1 - share**2) ** 0.5, 0.0], dtype=torch.float64)
        found[f"left {share}"] = project_out(vector, row), vector, project_out(vector.clone())
    overlap = Overlap(waves(6))
    lengths = []
    for place in range(6):
        overlap.add(torch.eye(6, dtype=torch.float64)[place])
        lengths.append(overlap.length(waves(6)))
    return found | {"lengths": lengths}


def of_products() -> dict[str, Any]:
    """Statuses, and the number of products, of what ends early, late or at once."""
    operator, rng = operators.MatrixOperator(symmetric()), torch.Generator().manual_seed
    source = Source(Kind.HESSIAN, "model", (36, 36))
    none = operators.MatrixOperator(torch.zeros(5, 5, dtype=torch.float64))
    small = operators.MatrixOperator(torch.diag(torch.tensor([3.0, 1.0, -2.0, 0.5], dtype=torch.float64)))
    found: dict[str, Any] = {}
    for k, most in ((1, 1), (1, 2), (1, 24), (3, 12), (36, 200)):
        pairs = solvers.top_k(operator, k, rng=rng(0), tolerance=1e-2, max_products=most)
        found[f"top {k} of {most}"] = pairs.values, pairs.spectrum(source).estimator
    found["top of nothing"] = (
        solvers.top_k(none, 2, rng=rng(0)).values,
        solvers.top_k(small, 4, "both", rng=rng(0)).values,
    )
    found["refused"] = [told(lambda k=k: solvers.top_k(small, k)) for k in (0, 5)]  # type: ignore[misc]
    for method, products in itertools.product(("hutchinson", "hutch++", "xtrace"), (1, 2, 3, 4, 7, 36, 99)):
        found[f"{method} {products}"] = told(
            lambda p=products, m=method: solvers.trace(operator, products=p, method=m, rng=rng(0))  # type: ignore[misc,arg-type]
        )
    found["blocks"] = [told(lambda n=n: solvers.block_traces(small, [1, 3], products=n, rng=rng(0))) for n in (1, 2, 3)]  # type: ignore[misc]
    for steps, count in ((1, 1), (2, 1), (4, 4), (8, 2), (35, 1), (40, 2)):
        found[f"density {steps} x {count}"] = solvers.spectral_density(
            operator, source, steps=steps, probes=count, rng=rng(0)
        )
    about = Source(Kind.HESSIAN, "model", (4, 4))
    found["small density"] = [solvers.spectral_density(each, about, steps=6, probes=2, rng=rng(0)) for each in (small,)]
    found["tight"] = solvers.spectral_density(operator, source, steps=6, probes=2, memory_limit=36 * 8 * 11, rng=rng(0))
    return found


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "solved": {
        "lanczos": of_lanczos,
        "outliers": of_outliers,
        "rules": of_rules,
        "matrices": of_matrices,
        "products": of_products,
    }
}
