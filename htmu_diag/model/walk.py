"""The modules and parameters of a model, each once, in torch's order.

``modules()`` and ``parameters()`` of torch make every name on the way and ask tensors for hashes: that takes more than
twice the time, of the training thread, several times a snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["modules_of", "parameters_of"]


def modules_of(*models: torch.nn.Module) -> list[torch.nn.Module]:
    """What ``modules()`` of these models gives, each once.

    >>> import torch
    >>> [type(module).__name__ for module in modules_of(torch.nn.Sequential(torch.nn.Tanh(), torch.nn.ReLU()))]
    ['Sequential', 'Tanh', 'ReLU']
    """
    found: dict[int, torch.nn.Module] = {}
    waiting = list(reversed(models))
    while waiting:
        module = waiting.pop()
        if id(module) not in found:
            found[id(module)] = module
            if module._modules:
                waiting += [child for child in reversed(module._modules.values()) if child is not None]
    return list(found.values())


def parameters_of(modules: list[torch.nn.Module]) -> list[torch.nn.Parameter]:
    """What ``parameters()`` gives of these modules, without those inside them, each once."""
    held = (parameter for module in modules for parameter in module._parameters.values() if parameter is not None)
    return list({id(parameter): parameter for parameter in held}.values())
