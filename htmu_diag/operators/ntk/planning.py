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
from dataclasses import replace

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.ntk.plan import Pass, Plan, Step
from htmu_diag.operators.ntk.survey import Form, Parameter, Survey

__all__ = ["make_plan"]

SMALL = 50_000_000  # bytes held without a second thought
MOVE = 25  # multiply-adds in the time of one number read and written
REUSED = 16_000_000  # bytes; larger arrays are fresh pages from the system at every chunk (half the time on a CNN)


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
