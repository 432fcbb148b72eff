"""A model made ready for second derivatives, and left exactly as it was found.

Inside ``DifferentiableModel.working``: gradients on, inference mode and autocast off, attention on its math kernel (the
fused ones have no second derivative), compiled code run as plain code (it stays compiled), buffers replaced by copies
(BatchNorm's running statistics do not move), one seed for the dropout masks, the chosen parameters requiring gradients,
and weight normalisation written out (the second derivative of PyTorch's own is wrong). Nothing writes to ``.grad``. A
model in half precision is measured on a float32 copy; tensors that its forward pass makes are then of that dtype too.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.names import clean_parameters, selected
from htmu_diag.model.states import default_dtype, differentiating, eager, seeded, without_autocast
from htmu_diag.model.wrappers import is_sharded, unwrap
from htmu_diag.operators.sample_function import recurrent, without_cudnn
from htmu_diag.operators.weight_norm import WrittenOut, has_weight_norm

__all__ = ["DifferentiableModel"]


class DifferentiableModel:
    """The model and the parameters that are differentiated.

    include: globs on clean parameter names; empty means all that require a gradient.
    dtype: of the products; None keeps float32 and float64 and lifts half precision to float32.
    Raises InputError where no parameter matches, MeasurementError for sharded or meta parameters.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        include: Sequence[str] = (),
        dtype: torch.dtype | None = None,
        copied: bool = False,
    ) -> None:
        original = unwrap(model)
        clean = clean_parameters(original)
        for name, parameter in original.named_parameters():
            _refuse_unusable(clean[name], parameter)
        floating = {n: p for n, p in original.named_parameters() if p.is_floating_point()}
        self._watched = [(clean[n], p, p._version) for n, p in floating.items()]
        self._norms = _norms([p for _, p, _ in self._watched])
        chosen = [n for n, p in floating.items() if _wanted(clean[n], p, include)]
        if not chosen:
            raise InputError(_nothing_matches(include, [name for name, _, _ in self._watched]))
        self.dtype = dtype or _working_dtype([floating[n] for n in chosen])
        self.device = floating[chosen[0]].device
        several = any(parameter.device != self.device for parameter in floating.values())
        self.place = (
            None if several else self.device
        )  # of batches: a model on several devices knows where it wants them
        alike = all(p.dtype == self.dtype for p in floating.values())
        self.model = original if alike and not copied else _copy(original, self.dtype)
        own = dict(self.model.named_parameters())
        self.parameters = {clean[n]: own[n] for n in chosen}
        self.recurrent = recurrent(original)
        self.weight_normed = has_weight_norm(original)

    def refuse_changed(self) -> None:
        """Raise MeasurementError where a parameter was changed in place since the operator was made.

        Changes through ``.data`` leave no trace in the version counter; they are seen by the norms.
        """
        changed = next((name for name, p, version in self._watched if p._version != version), None)
        if changed is None:
            moved = (_norms([p for _, p, _ in self._watched]) - self._norms).abs() > 1e-5 * self._norms
            changed = self._watched[int(moved.nonzero()[0])][0] if bool(moved.any()) else None
        if changed:
            raise MeasurementError(
                f"{changed}: changed in place after the operator was made (an optimizer step?), so its graph is stale; "
                "make a new operator for each snapshot"
            )

    @contextmanager
    def working(self, seed: int | None = None) -> Iterator[None]:
        """The state of the world in which graphs are built and products taken; ``seed`` fixes the dropout masks."""
        with ExitStack() as inside:
            inside.enter_context(differentiating())
            inside.enter_context(without_autocast(self.device.type))
            inside.enter_context(sdpa_kernel(SDPBackend.MATH))
            inside.enter_context(eager())
            if self.recurrent:
                inside.enter_context(without_cudnn())
            inside.enter_context(_requiring_grad(self.parameters.values()))
            inside.enter_context(_scratch_buffers(self.model))
            inside.enter_context(default_dtype(self.dtype))
            if self.weight_normed:
                inside.enter_context(WrittenOut())
            if seed is not None:
                inside.enter_context(seeded(seed))
            yield


def _wanted(name: str, parameter: torch.Tensor, include: Sequence[str]) -> bool:
    return selected(name, include) if include else parameter.requires_grad


def _nothing_matches(include: Sequence[str], names: list[str]) -> str:
    if include:
        return f"no parameter matches {list(include)}; there are {', '.join(names[:8])}, ..."
    return "no parameter requires a gradient; name those to measure with include=['*']"


def _norms(parameters: list[torch.Tensor]) -> torch.Tensor:
    """The norm of every parameter, (number,), on the device of the first."""
    with torch.no_grad():
        wide = [p.detach() if p.dtype.itemsize > 1 else p.detach().float() for p in parameters]  # float8 has no norm
        found = torch._foreach_norm(wide) if wide else []
        return torch.stack([norm.to(found[0].device, torch.float32) for norm in found])


def _refuse_unusable(name: str, parameter: torch.Tensor) -> None:
    if is_lazy(parameter):
        raise MeasurementError(f"{name}: not initialised yet; run the model once on a batch before measuring it")
    if parameter.is_complex():
        raise MeasurementError(
            f"{name}: complex parameters have no real Hessian here; store real and imaginary part as a real parameter "
            "and use torch.view_as_complex in the forward pass"
        )
    if parameter.is_meta or is_sharded(parameter) or hasattr(parameter, "_is_flat_param"):
        raise MeasurementError(
            f"{name}: a sharded (DTensor) or meta parameter has no second derivative; gather the weights with "
            "get_model_state_dict(full_state_dict=True), load them into an unsharded copy on every rank, and wrap "
            "the operator in AllReduced"
        )


def _working_dtype(parameters: list[torch.Tensor]) -> torch.dtype:
    widest = parameters[0].dtype
    for parameter in parameters:
        widest = torch.promote_types(widest, parameter.dtype)
    return torch.promote_types(widest, torch.float32)


def _copy(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    try:
        return copy.deepcopy(model).to(dtype)
    except (RuntimeError, TypeError, copy.Error, pickle.PicklingError) as problem:
        raise MeasurementError(
            f"{type(model).__name__}: products in {dtype} need a copy of the model, and it cannot be copied "
            f"({str(problem).splitlines()[0]}); pass a copy in that dtype yourself"
        ) from problem


@contextmanager
def _requiring_grad(parameters: Iterable[torch.Tensor]) -> Iterator[None]:
    frozen = [p for p in parameters if not p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


@contextmanager
def _scratch_buffers(model: torch.nn.Module) -> Iterator[None]:
    """Every buffer replaced by a copy (shared ones by one copy), the objects themselves put back."""
    copies: dict[int, torch.Tensor] = {}
    held = [(m._buffers, name, b) for m in model.modules() for name, b in m._buffers.items()]
    for place, name, buffer in held:
        if buffer is not None:
            place[name] = copies.setdefault(id(buffer), buffer.detach().clone())
    try:
        yield
    finally:
        for place, name, buffer in held:
            place[name] = buffer
