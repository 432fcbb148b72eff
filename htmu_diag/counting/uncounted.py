"""Parameters that change while no step is counted: an optimizer steps copies of them, and the run would stay empty."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from htmu_diag.model.tensors import is_trained
from htmu_diag.model.walk import modules_of, parameters_of

__all__ = ["BETWEEN", "REMEDY", "Fingerprint"]

_LOOKED_AT, _VALUES = 3, 8  # parameters, and numbers of each
REMEDY = (
    "the parameters change and no optimizer step was counted, so nothing but the start is measured: an optimizer steps "
    "copies of them (float32 masters, DeepSpeed, Megatron, offloading); call monitor.step() after each step, once the "
    "parameters hold the new values"
)


@dataclass(frozen=True)
class _Seen:
    parameter: torch.nn.Parameter
    version: int
    values: torch.Tensor


BETWEEN = (
    "the weights are changed between optimizer steps (clipping, a projection, a wrapper such as Lookahead), and "
    "snapshots show them as the optimizer leaves them; to see them after the change make it in "
    "optimizer.register_step_post_hook, or call monitor.step() after it"
)


class Fingerprint:
    """A few numbers of a few parameters, as they are now."""

    def __init__(self, model: torch.nn.Module) -> None:
        usable = [p for p in parameters_of(modules_of(model)) if is_trained(p)]
        chosen = dict.fromkeys((0, len(usable) // 2, len(usable) - 1)) if usable else ()
        self._seen = [_seen(usable[i]) for i in chosen][:_LOOKED_AT]

    def again(self) -> Fingerprint:
        """Of the same parameters, as they are now, without asking the model for them."""
        made = object.__new__(Fingerprint)
        made._seen = [_seen(seen.parameter) for seen in self._seen]
        return made

    @property
    def changed(self) -> bool:
        """Whether any of them is another number now. Waits for the device that holds them."""
        heads = [(_head(seen.parameter).cpu(), seen.values.cpu()) for seen in self._seen]
        return any(seen.parameter._version != seen.version for seen in self._seen) or any(
            now.shape != then.shape or bool(_differ(now, then)) for now, then in heads
        )

    @property
    def on_host(self) -> bool:
        """Whether nothing has to be waited for: all of them lie on the host."""
        return all(seen.values.device.type == "cpu" for seen in self._seen)

    def moved(self) -> list[torch.Tensor]:
        """The same by values alone, a truth value () for each parameter on its own device, which is not waited for.

        Weights that were swapped for others and put back are as they were.
        """
        pairs = [(_head(seen.parameter), seen.values) for seen in self._seen]
        return [_differ(now, then) for now, then in pairs if (now.shape, now.device) == (then.shape, then.device)]


def _seen(parameter: torch.nn.Parameter) -> _Seen:
    return _Seen(parameter, parameter._version, _head(parameter))


def _differ(now: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    """Whether any number is another one, (); NaN is the same as NaN."""
    if now.device.type == "cpu" and torch.equal(now, then):
        return torch.zeros((), dtype=torch.bool)  # as nearly always, by one call in place of six
    return ~((now == then) | (now.isnan() & then.isnan())).all()


def _head(parameter: torch.nn.Parameter) -> torch.Tensor:
    local = getattr(parameter, "_local_tensor", parameter)
    flat: torch.Tensor = local.detach().reshape(-1)[:_VALUES]
    return flat.clone()
