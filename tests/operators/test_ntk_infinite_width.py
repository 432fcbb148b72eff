"""The kernel of a wide ReLU network converges to the arc-cosine recursion, at the rate 1/sqrt(width).

Layers h_{l+1} = sqrt(2/m) W relu(h_l) with N(0, 1) entries (Jacot, Gabriel & Hongler 2018). With s, t, r the two
variances and the correlation, and Cho & Saul's (2009) functions k0 = (pi - a)/pi, k1 = (sin a + (pi - a) cos a)/pi,
a = arccos r: Sigma' = sqrt(s t) k1 and Theta' = Sigma' + Theta k0.
"""

import math

import torch
from torch import Tensor, nn

from htmu_diag.operators import empirical_ntk

WIDTHS = (64, 256, 1024)


class NTKLinear(nn.Module):
    """sqrt(gain / inputs) W x with W of unit variance: raw parameters, which take the torch.func route."""

    def __init__(self, inside: int, outside: int, gain: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside, bias=False)
        nn.init.normal_(self.linear.weight)
        self.scale = math.sqrt(gain / inside)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) * self.scale
        return out


def network(width: int) -> nn.Module:
    first, second = NTKLinear(8, width, 1.0), NTKLinear(width, width, 2.0)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), NTKLinear(width, 1, 2.0)).double()


def recursion(x: Tensor, *, right: bool = True) -> Tensor:
    sigma = x @ x.T / x.shape[1]
    theta = sigma.clone()
    for _ in range(2):
        norms = sigma.diagonal().sqrt()
        scale = torch.outer(norms, norms)
        angle = (sigma / scale).clamp(-1, 1).arccos()
        k0 = (math.pi - angle) / math.pi
        sigma = scale * (angle.sin() + (math.pi - angle) * angle.cos()) / math.pi
        theta = sigma + theta * (k0 if right else 1.0)
    return theta


def errors(wanted: Tensor, x: Tensor) -> list[float]:
    """Root mean square relative distance over eight networks, for each width."""
    result = []
    for width in WIDTHS:
        squares = []
        for seed in range(8):
            torch.manual_seed(seed)
            kernel = empirical_ntk(network(width), x).matrix
            squares.append(float(((kernel - wanted).norm() / wanted.norm()) ** 2))
        result.append(math.sqrt(sum(squares) / len(squares)))
    return result


def inputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(6, 8, dtype=torch.float64)


def slope(values: list[float]) -> float:
    return math.log(values[-1] / values[0]) / math.log(WIDTHS[-1] / WIDTHS[0])


def test_the_kernel_converges_to_the_recursion_at_rate_one_over_root_width() -> None:
    x = inputs()
    found = errors(recursion(x), x)
    assert -0.75 < slope(found) < -0.3
    assert found[-1] < 0.08


def test_a_recursion_without_the_derivative_of_relu_is_rejected() -> None:
    x = inputs()
    found = errors(recursion(x, right=False), x)
    assert slope(found) > -0.3
    assert found[-1] > 0.1
