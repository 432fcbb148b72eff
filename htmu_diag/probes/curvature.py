"""Curvature of the loss on the fixed probe batch: Hessian, Gauss-Newton and Fisher spectra.

Measured in eval mode, so that a step depends on the parameters alone; in a job of several, over all ranks' batches.
The first snapshot checks the operator itself (symmetry, and a float64 finite difference of the Hessian); a model
without a right second derivative is reported by the module's name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from htmu_diag.arguments import FLAG, check_fields, instance, one_of, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.allreduce import AllReduced
from htmu_diag.operators.base import Operator
from htmu_diag.operators.checks import self_check
from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.operators.model_operator import ModelOperator
from htmu_diag.probes.base import Need, StepContext
from htmu_diag.probes.declaration import Runs
from htmu_diag.probes.probe_batch import evaluating
from htmu_diag.probes.stability import stability
from htmu_diag.probes.trial import seconds_of_trial
from htmu_diag.solvers.density import spectral_density
from htmu_diag.solvers.eigenpairs import Which, top_k
from htmu_diag.solvers.traces import block_traces
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["CurvatureProbe", "fisher_probe", "ggn_probe", "hessian_probe", "layer_probe"]

_OPERATORS: dict[str, Callable[..., ModelOperator]] = {
    "hessian": HessianOperator,
    "ggn": GGNOperator,
    "fisher": FisherOperator,
}


_OF_OUTLIERS = 40  # products that the largest eigenvalues take beside two for each


@dataclass
class CurvatureProbe:
    """Spectra of one curvature operator.

    name: "hessian", "ggn" or "fisher", with any ending after "_" ("hessian_layers"): probes of different names have
    different schedules. steps, probes: of the density of the whole model (64 x 1 products by default:
    0.03 to 0.08 of mean |lambda| off on networks of 2,500 parameters); steps=0 leaves it out, it is the dear part.
    outliers: how many of the largest eigenvalues to find as well, as "model.outliers": their tail can be fitted.
    which: "largest", or "both" for as many of the smallest too (the tail of |lambda|, ``Options.magnitudes``).
    layers: the largest eigenvalue and the trace of every parameter's own block. layer_products: how many products of a
    block find its eigenvalue, at most (its routine says whether it converged; else it is a lower bound), and how many
    of the whole model give all traces.
    options: passed to the operator (``weight_decay``, ``dtype``, ``likelihood``, ...); ``memory_limit`` bounds, in
    bytes each, the graphs that it keeps and the Lanczos basis of the density.
    """

    name: str = "hessian"
    steps: int = 64
    probes: int = 1
    outliers: int = 0
    which: Which = "largest"
    layers: bool = False
    layer_products: int = 24
    options: dict[str, Any] = field(default_factory=dict)
    needs: frozenset[Need] = frozenset({"model", "batch", "loss_fn"})
    checked: bool = field(default=False, init=False, repr=False, compare=False)
    runs: ClassVar[Runs] = "together"
    priced: ClassVar = True

    def __post_init__(self) -> None:
        check_fields(
            self,
            name=instance("a name such as hessian", str),
            steps=whole(),
            probes=whole(1),
            outliers=whole(),
            which=one_of("largest", "smallest", "both"),
            layers=FLAG,
            layer_products=whole(2),
            options=instance("a dict", dict),
        )
        _ = self.kind

    @property
    def kind(self) -> Kind:
        """The operator that is measured. Raises InputError where the name does not begin with one."""
        word = self.name.split("_")[0]
        if word not in _OPERATORS:
            raise InputError(f"{self.name}: a curvature probe is named {', '.join(_OPERATORS)}, or that and an ending")
        return Kind(word)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of its spectra."""
        return (self.kind,)

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """The density, then outliers, then blocks. Raises MeasurementError where there is no second derivative."""
        if context.batch is None or context.loss_fn is None:
            raise MeasurementError(f"{self.name}: needs a batch and a loss; pass watch(batch=..., loss_fn=...)")
        with evaluating(context) as model:
            found = list(self._spectra(self._operator(model, context), context, model))
        yield from found

    def price(self, context: StepContext) -> float:
        """Seconds of one run: the faster of two products, times their number. 0 where a product fails: the run itself
        says why."""
        try:
            with evaluating(context) as model:
                return self._products(operator := self._built(model, context)) * _timed(operator)
        except (MeasurementError, InputError, RuntimeError):
            return 0.0

    def _products(self, operator: ModelOperator) -> float:
        """How many products one run takes, about: a block's count for a whole one, since they share the way back."""
        density, outliers = self.steps * self.probes, _OF_OUTLIERS + 2 * self.outliers if self.outliers else 0
        blocks = self.layer_products * (1 + len(operator.names)) if self.layers else 0
        return float(density + outliers + blocks)

    def _operator(self, model: torch.nn.Module, context: StepContext) -> ModelOperator:
        operator = self._built(model, context)
        if not self.checked:
            self_check(operator)
            self.checked = True
        return operator

    def _built(self, model: torch.nn.Module, context: StepContext) -> ModelOperator:
        build = _OPERATORS[self.kind.value]
        of_run = {"include": context.include, "output": context.output, "reduction": context.loss_reduction}
        return build(model, context.loss_fn, context.batch, **{**of_run, **self.options})

    def _spectra(self, operator: ModelOperator, context: StepContext, model: torch.nn.Module) -> Iterator[Spectrum]:
        def source(name: str, part: ModelOperator) -> Source:
            return Source(self.kind, name, part.shape, context.step, f"eigenvalues of the {self.kind.value}")

        def of_all_ranks(part: ModelOperator) -> Operator:
            return part if context.group is None else AllReduced(part, context.group)

        rng = torch.Generator().manual_seed(context.seed)
        if self.steps:
            whole = spectral_density(
                of_all_ranks(operator),
                source("model", operator),
                steps=self.steps,
                probes=self.probes,
                memory_limit=self.options.get("memory_limit"),
                rng=rng,
            )
            at_edge = stability(operator, float(whole.values[-1]), context, of_all_ranks, model)
            yield replace(whole, scalars={**whole.scalars, **at_edge})
        if self.outliers:
            pairs = top_k(of_all_ranks(operator), min(self.outliers, operator.shape[0]), self.which, rng=rng)
            yield pairs.spectrum(source("model.outliers", operator))
        if self.layers:
            names = [name for name, p in zip(operator.names, operator.parameters, strict=True) if p.numel()]
            blocks = [operator.block(name) for name in names]
            sizes = [block.shape[0] for block in blocks]
            traces = block_traces(of_all_ranks(operator), sizes, products=self.layer_products, rng=rng)
            for name, block, total in zip(names, blocks, traces, strict=True):
                top = top_k(of_all_ranks(block), 1, rng=rng, tolerance=1e-2, max_products=self.layer_products)
                scalars = {"trace": total.value, "trace_stderr": total.stderr}
                yield replace(top.spectrum(source(name, block)), scalars=scalars)


def _timed(operator: ModelOperator) -> float:
    """Seconds of a product whose graph is kept, the faster of two; the first one builds it."""
    vector = torch.ones(operator.shape[0], dtype=operator.dtype, device=operator.device)

    def product() -> None:
        float(operator.matvec(vector)[0])  # waits for a device

    product()
    return min(seconds_of_trial(product) for _ in range(2))


hessian_probe = functools.partial(CurvatureProbe, "hessian")
ggn_probe = functools.partial(CurvatureProbe, "ggn")
fisher_probe = functools.partial(CurvatureProbe, "fisher")


def layer_probe(kind: str) -> CurvatureProbe:
    """The cheap part alone: the largest eigenvalue and the trace of every parameter's block, as "hessian_layers"."""
    return CurvatureProbe(f"{kind}_layers", steps=0, layers=True)
