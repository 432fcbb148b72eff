"""How a parameter is laid out: which dimensions are outputs, inputs, kernel positions, gates, heads or experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Conv", "Layout", "Part", "Splitting"]

Conv = Literal["unfold", "positions", "groups"]


@dataclass(frozen=True)
class Part:
    """A block of output rows with a name of its own: q of a fused projection, the input gate of an LSTM.

    suffix: added to the parameter's name ("" for the whole). rows: how many. heads: attention heads in it, or 0.
    """

    suffix: str
    rows: int
    role: str
    heads: int = 0


@dataclass(frozen=True)
class Layout:
    """The meaning of a tensor's dimensions.

    form: "matrix" (out, in), "transposed" (in, out), "conv" (out, in/groups, kernel...), "conv_transposed"
        (in, out/groups, kernel...), "conv_last" (kernel..., in, out), "stack" (count, rows, columns), "modes"
        (in, out, mode...), "flat" (rows, the rest as columns) or "none" (not a matrix; ``reason`` says why).
    role: what it does. groups: of a convolution. parts: named blocks of output rows, in order; empty for one block.
    interleave: groups of rows in which the parts alternate, (group, part, position); 0 where each part is one block.
    item: name of one member of a stack ("expert", "slice", "mode"). members: of a stack whose members lie one below the
        other in a matrix; 0 where they have a dimension of their own. across: they lie side by side there.
    """

    form: Literal["matrix", "transposed", "conv", "conv_transposed", "conv_last", "stack", "flat", "modes", "none"] = (
        "matrix"
    )
    role: str = "bare"
    groups: int = 1
    parts: tuple[Part, ...] = ()
    interleave: int = 0
    item: str = "slice"
    members: int = 0
    across: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Splitting:
    """What a caller may choose.

    conv: "unfold" gives out x (in k k) for each kernel; "positions" one out x in matrix for each kernel position;
        "groups" one unfolded matrix for each group.
    heads: True splits q, k and v by attention head where their number is known; an int gives the number of query heads.
    fused: split fused projections (q, k, v) and gates; False keeps them whole.
    """

    conv: Conv = "unfold"
    heads: bool | int = False
    fused: bool = True
