"""The plan: how each parameter's part of the kernel is computed, chosen by counted work under a memory limit.

Multiply-adds for n samples and C outputs of a parameter of P = G rows columns numbers applied at T positions, with
``v`` the size of the side that depends on the output and ``q`` of the other:

    rows, trace   n^2 C P + n C T P               pairs, trace   G n^2 T^2 (q + C v + 3 e)
    rows, full    n^2 C^2 P + n C T P             pairs, full    G n^2 (T^2 (q + C v) + C^2 T v + 2 e C T v)

(the first term of rows is the Gram product, the second forms the per-sample gradients; e = 25 multiply-adds is the
price of moving one number, measured on a CPU). Parameters that fit into the storage budget together share one pass
through the model; the trace kernel takes few outputs at a time before it splits a parameter, since that repeats only
the forward pass, and never holds more than the Jacobian of one output would. Where a layer's inputs and output
gradients are smaller than its rows, those are held and the rows formed in slices ("stream").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.ntk.survey import Form, Parameter, Survey

__all__ = ["Pass", "Plan", "Step", "make_plan"]

Strategy = Literal["rows", "pairs", "stream", "absorbed"]
SMALL = 50_000_000  # bytes held without a second thought
MOVE = 25  # multiply-adds in the time of one number read and written
PRODUCT = 6  # forward passes in the time of one product: 4.6 measured on a CNN, 8 on an MLP
REUSED = 16_000_000  # bytes; larger arrays are fresh pages from the system at every chunk (half the time on a CNN)


@dataclass(frozen=True)
class Step:
    """Numbers start to stop of one parameter, by one strategy. madds: multiply-adds; stored: bytes held meanwhile.

    bias: whether pairs include the layer's bias, an input that is always 1; that parameter's own step is "absorbed".
    """

    parameter: Parameter
    strategy: Strategy
    start: int
    stop: int
    madds: float
    stored: int
    bias: bool = False


@dataclass(frozen=True)
class Pass:
    """One trip of all samples through the model, ``chunk`` at a time, for outputs first to last and these steps."""

    steps: tuple[Step, ...]
    first: int
    last: int
    chunk: int = 1


@dataclass(frozen=True)
class Plan:
    """Everything that ``empirical_ntk`` will do, printable before and after.

    limit: bytes that the computation may add to the process, the kernel included.
    """

    n: int
    outputs: int
    size: int
    trace: bool
    limit: int
    kernel_bytes: int
    passes: tuple[Pass, ...]

    @property
    def madds(self) -> float:
        """Multiply-adds of the contractions and of the passes through the model (counted from its layers)."""
        unique = {(step.parameter.name, step.start): step.madds for each in self.passes for step in each.steps}
        return sum(unique.values()) + self.model_madds

    @property
    def product_madds(self) -> float:
        """Multiply-adds of one product J (J^T v): a forward and a backward pass, and a forward-mode pass."""
        return PRODUCT * self.n * sum(_forward(step.parameter) for step in self._first_steps())

    @property
    def model_madds(self) -> float:
        """Multiply-adds of the forward and backward passes, counted from the layers that have rules."""
        forward = sum(_forward(step.parameter) for step in self._first_steps())
        return self.n * forward * sum(1 + each.last - each.first for each in self.passes)

    def _first_steps(self) -> Iterator[Step]:
        seen: set[str] = set()
        for each in self.passes:
            for step in each.steps:
                if step.parameter.name not in seen:
                    seen.add(step.parameter.name)
                    yield step

    def __str__(self) -> str:
        chunks = " or ".join(str(chunk) for chunk in sorted({each.chunk for each in self.passes}))
        head = (
            f"{'trace' if self.trace else 'full'} kernel of {self.n} samples x {self.outputs} outputs, "
            f"{self.size} parameters: {self.madds:.3g} multiply-adds ({self.model_madds:.3g} in the model), "
            f"{len(self.passes)} pass(es) in chunks of {chunks} samples, limit {self.limit / 1e6:.0f} MB"
        )
        lines = [
            f"  {step.parameter.name:40s} {step.strategy if step.parameter.covered else 'torch.func':10s} "
            f"{step.madds:9.3g} multiply-adds {step.stored / 1e6:9.2f} MB"
            for step in self._first_steps()
        ]
        return "\n".join([head, *lines])


def make_plan(survey: Survey, n: int, *, trace: bool, limit: int, kernels: int = 1, chunk: int | None = None) -> Plan:
    """Choose strategies and passes. Raises MeasurementError where the kernel alone leaves no room under the limit."""
    side = n if trace else n * survey.outputs
    item = max(survey.dtype.itemsize, 4)
    kernel_bytes = kernels * side * side * item
    room = limit - kernel_bytes
    if room < 0.2 * limit:
        raise MeasurementError(
            f"kernel: {kernels} matrices of {side} x {side} numbers are {kernel_bytes / 1e6:.0f} MB of the "
            f"{limit / 1e6:.0f} MB allowed; use outputs='trace', fewer samples, ntk_operator, or a larger memory="
        )
    steps = [_choose(parameter, n, survey.outputs, trace, item, room // 2) for parameter in survey.parameters]
    steps = list(_absorbed([step for step in steps if not step.parameter.unused]))
    held = min(room // 2, max(n * survey.size * item, SMALL)) if trace else room // 2
    passes = _passes(steps, n, survey.outputs, trace, item, held)
    sized = tuple(replace(each, chunk=chunk or _chunk(survey, each, n, room // 4)) for each in passes)
    return Plan(n, survey.outputs, survey.size, trace, limit, kernel_bytes, sized)


def _choose(parameter: Parameter, n: int, outputs: int, trace: bool, item: int, room: int) -> Step:
    form = parameter.form
    rows = n * outputs * parameter.size * item
    positions = form.positions if form else 1
    gram = float(n) * n * outputs * parameter.size * (1 if trace else outputs)
    by_rows = Step(parameter, "rows", 0, parameter.size, gram + float(n) * outputs * positions * parameter.size, rows)
    if form is None or not parameter.covered:
        return by_rows
    varying, shared = (form.rows, form.columns) if form.left_varies else (form.columns, form.rows)
    shared = 1 if form.one_hot else shared
    stored = n * form.groups * form.positions * (outputs * varying + shared) * item
    by_pairs = Step(parameter, "pairs", 0, parameter.size, _pairs(form, n, outputs, trace, varying, shared), stored)
    return by_pairs if by_pairs.madds < by_rows.madds and stored <= room else by_rows


def _absorbed(steps: Sequence[Step]) -> Iterator[Step]:
    """Biases go into the pairs of their layer's weight, whose other side is the layer's input."""
    weights = {_layers(step) for step in steps if step.strategy == "pairs" and _is(step, "weight")}
    biases = {_layers(step) for step in steps if _is(step, "bias")}
    for step in steps:
        if _is(step, "weight") and _layers(step) in weights & biases:
            yield replace(step, bias=True)
        elif _is(step, "bias") and _layers(step) in weights:
            yield replace(step, strategy="absorbed", madds=0.0, stored=0)
        else:
            yield step


def _is(step: Step, attribute: str) -> bool:
    """Whether rules cover it and every layer that uses it calls it so."""
    return step.parameter.covered and {own for _, own in step.parameter.uses} == {attribute}


def _layers(step: Step) -> tuple[str, ...]:
    return tuple(path for path, _ in step.parameter.uses)


def _pairs(form: Form, n: int, outputs: int, trace: bool, varying: int, shared: int) -> float:
    squares = float(n) * n * form.groups * form.positions**2
    if trace or form.positions == 1:
        last = squares * (0 if trace else outputs**2 * (varying + 3 * MOVE))
        return squares * (shared + outputs * varying + 3 * MOVE) + last
    summed = float(n) * n * form.groups * outputs * form.positions * varying * (outputs + 2 * MOVE)
    return squares * (shared + outputs * varying) + summed


def _passes(steps: Sequence[Step], n: int, outputs: int, trace: bool, item: int, room: int) -> Iterator[Pass]:
    if sum(step.stored for step in steps) <= room:
        yield Pass(tuple(steps), 0, outputs)
        return
    pairs = [step for strategy in ("absorbed", "pairs") for step in steps if step.strategy == strategy]
    yield from (Pass(group, 0, outputs) for group in _packed(pairs, room))
    rows = [step for step in steps if step.strategy == "rows"]
    at_once = outputs
    if trace:
        at_once = max((c for c in range(1, outputs + 1) if _held(rows, n, c, item) <= room), default=1)
    split = [part for step in rows for part in _fitted(step, n, at_once, item, room)]
    for group in _packed(split, room):
        for first in range(0, outputs, at_once):
            yield Pass(group, first, min(first + at_once, outputs))


def _held(steps: Sequence[Step], n: int, outputs: int, item: int) -> int:
    """Bytes held for some outputs, each step in the form that is smaller."""
    return sum(min(n * outputs * step.parameter.size * item, _stream_bytes(step, n, outputs, item)) for step in steps)


def _stream_bytes(step: Step, n: int, outputs: int, item: int) -> int:
    """Bytes of a layer's inputs and output gradients; rows then are formed slice by slice. Rules only."""
    parameter = step.parameter
    own = n * (parameter.inputs + outputs * parameter.gradients) * item
    return own if parameter.covered and parameter.gradients else n * outputs * parameter.size * item


def _fitted(step: Step, n: int, outputs: int, item: int, room: int) -> Iterator[Step]:
    """The step as rows, as a stream where that is smaller, or as slices of rows where neither fits."""
    stream = _stream_bytes(step, n, outputs, item)
    if stream < n * outputs * step.parameter.size * item and stream <= room:
        yield replace(step, strategy="stream", stored=stream)
    else:
        yield from _split(step, n * outputs * item, room)


def _split(step: Step, bytes_each: int, room: int) -> Iterator[Step]:
    """The step in slices that fit, cut between whole rows of the parameter."""
    columns = step.parameter.columns
    wide = max(columns, room // bytes_each // columns * columns)
    for start in range(step.start, step.stop, wide):
        stop = min(start + wide, step.stop)
        share = (stop - start) / (step.stop - step.start)
        yield Step(step.parameter, step.strategy, start, stop, step.madds * share, (stop - start) * bytes_each)


def _packed(steps: Sequence[Step], room: int) -> Iterator[tuple[Step, ...]]:
    """Neighbours together while they fit, from the last layer on: late layers need only a short backward pass."""
    group: list[Step] = []
    for step in reversed(steps):
        if group and sum(other.stored for other in group) + step.stored > room:
            yield tuple(group)
            group = []
        group.append(step)
    if group:
        yield tuple(group)


def _chunk(survey: Survey, each: Pass, n: int, room: int) -> int:
    """Samples in one forward pass: what fits into ``room`` bytes, and on a CPU buffers that the allocator keeps."""
    outputs = each.last - each.first
    largest = max(_step_bytes(step, outputs, survey.dtype.itemsize) for step in each.steps)
    largest = max(largest, outputs * survey.largest_gradient, 1)
    loose = [step.parameter.size for step in each.steps if not step.parameter.covered]
    unruled = outputs * sum(size * survey.dtype.itemsize + survey.graph_bytes for size in loose)
    sample = 2 * survey.graph_bytes + outputs * survey.gradient_bytes + 2 * largest + unruled
    fitting = room // sample
    if survey.device.type == "cpu":
        fitting = min(fitting, REUSED // largest)
    return int(max(1, min(n, 256, fitting)))


def _step_bytes(step: Step, outputs: int, item: int) -> int:
    """Bytes of a sample's largest array in forming a step: patches and output gradients, or a slice of the Jacobian."""
    form = step.parameter.form
    slice_ = 0 if step.strategy != "rows" else outputs * (step.stop - step.start)
    sides = form.groups * form.positions * max(form.columns, outputs * form.rows) if form and not form.one_hot else 0
    return max(slice_, sides) * item


def _forward(parameter: Parameter) -> float:
    positions = parameter.form.positions if parameter.form and not parameter.form.one_hot else 1
    return float(parameter.size * positions)
