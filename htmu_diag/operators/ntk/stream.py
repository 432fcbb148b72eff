"""Rows formed late: a layer's inputs and output gradients are held for all samples, its Jacobian slice by slice.

For a layer of P numbers whose inputs and outputs are much smaller than P (a wide convolution on a small image) this
holds n (|input| + C |output|) numbers where its rows would take n C P, and still goes through the model once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from htmu_diag.operators.ntk.capture import Call
from htmu_diag.operators.ntk.contract import add_rows
from htmu_diag.operators.ntk.pieces import Piece, write_rows
from htmu_diag.operators.ntk.plan import Step
from htmu_diag.operators.ntk.stores import working
from htmu_diag.operators.ntk.survey import pieces_of

__all__ = ["StreamStore"]

CHUNK = 16  # samples whose patches are unfolded at once


class StreamStore:
    """The calls of one parameter's layers with their gradients. room: bytes for a slice of rows."""

    def __init__(self, step: Step, n: int, room: int) -> None:
        self.step, self.n, self.room = step, n, room
        self.calls: list[Call] = []
        self.gradients: list[Tensor] = []

    def put_calls(self, start: int, stop: int, calls: Sequence[Call], found: Sequence[Tensor]) -> None:
        """Keep what samples start to stop gave; a call's rows are samples times windows."""
        own = {path for path, _ in self.step.parameter.uses}
        kept = [(call, gradient) for call, gradient in zip(calls, found, strict=True) if call.name in own]
        if not self.calls:
            for call, gradient in kept:
                rows = call.shape[0] // (stop - start) * self.n
                self.calls.append(replace(call, inputs=call.inputs.new_empty(rows, *call.inputs.shape[1:])))
                self.gradients.append(gradient.new_empty(rows, *gradient.shape[1:]))
        for (call, gradient), held, target in zip(kept, self.calls, self.gradients, strict=True):
            each = call.shape[0] // (stop - start)
            held.inputs[start * each : stop * each] = call.inputs
            target[start * each : stop * each] = gradient

    def add_to(self, kernel: Tensor, *, trace: bool) -> None:
        """Form the rows of a slice for all samples, contract, go on to the next."""
        outputs, columns = self.gradients[0].shape[1], self.step.parameter.columns
        dtype = working(self.gradients[0].dtype)
        wide = max(columns, self.room // (self.n * outputs * dtype.itemsize) // columns * columns)
        for first in range(self.step.start, self.step.stop, wide):
            last = min(first + wide, self.step.stop)
            rows = self.gradients[0].new_empty(self.n, outputs, last - first, dtype=dtype)
            for start in range(0, self.n, CHUNK):
                stop = min(start + CHUNK, self.n)
                write_rows(self._pieces(start, stop), first, last, rows[start:stop])
            add_rows(kernel, rows, trace=trace)

    def _pieces(self, start: int, stop: int) -> list[Piece]:
        calls, gradients = [], []
        for call, gradient in zip(self.calls, self.gradients, strict=True):
            each = len(gradient) // self.n
            calls.append(replace(call, inputs=call.inputs[start * each : stop * each]))
            gradients.append(gradient[start * each : stop * each])
        return pieces_of(self.step.parameter, calls, gradients, stop - start)
