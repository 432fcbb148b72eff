"""State dicts of a few tensors each, whose names and shapes say together what each of them is; for `names_wing`."""

from collections.abc import Callable

import torch

from tests.golden.measurement_wing import waves

Named = dict[str, torch.Tensor]


def bits(*shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    return torch.where(waves(*shape) > 0, high, low)


def codes(*shape: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return (torch.arange(torch.Size(shape).numel()) % 100).reshape(shape).to(dtype)


GROUPS: dict[str, Callable[[], Named]] = {
    "mask": lambda: {"a": bits(8, 8), "b": bits(7, 9), "c": bits(8, 8, low=-1.0), "d": bits(8, 8, low=2.0)},
    "one value": lambda: {"a": torch.ones(8, 8), "rows": torch.cat([bits(1, 70), waves(7, 70)])},
    "complex mask": lambda: {"a": bits(8, 8).to(torch.complex64), "lora.a": bits(8, 8)},
    "codes": lambda: {
        "m.qweight": codes(4, 8),
        "m.scales": waves(8, 2),
        "m.zeros": waves(8, 2),
        "m.weight": waves(4, 8),
    },
    "small codes": lambda: {"m.packed": codes(64, dtype=torch.int8), "m.absmax": waves(4, 4)},
    "too small codes": lambda: {"m.packed": codes(63, dtype=torch.int8), "m.absmax": waves(4, 4)},
    "indices": lambda: {"m.idx": codes(4, 8), "m.lut": waves(16, 4), "m.other": waves(16, 4)},
    "rows for each": lambda: {
        "m.ids": codes(4, 8, dtype=torch.uint8),
        "m.a": waves(16, 4),
        "m.b": waves(256, 2),
        "m.c": waves(15, 4),
        "m.d": waves(255, 2),
    },
    "no path": lambda: {"codes": codes(4, 8), "scales": waves(4, 8)},
    "no codes": lambda: {"m.position_ids": codes(4, 8), "m.table": waves(16, 4)},
    "surer": lambda: {"m.ids": codes(4, 8), "m.q": codes(4, 8), "m.any": waves(4, 3)},
    "scales": lambda: {"qweight": codes(4, 8), "scales": waves(2, 8), "other.weight_scale": waves(3, 2)},
    "eight bits": lambda: {
        "a.weight": codes(6, 5, dtype=torch.int8),
        "a.weight_scale": waves(6),
        "b.weight": codes(6, 5, dtype=torch.int8),
        "b.weight_scale_inv": waves(2, 3),
        "c.weight": codes(6, 5, dtype=torch.int8),
        "c.weight_scale": waves(1),
        "d.weight": waves(6, 5),
        "d.weight_scale": waves(6, 1),
    },
    "eight bits by blocks": lambda: {
        f"{rows}x{blocks}.{part}": tensor
        for rows, blocks in ((7, 2), (9, 3), (10, 4), (10, 3), (16, 5))
        for part, tensor in (("weight", codes(rows, 4, dtype=torch.int8)), ("weight_scale_inv", waves(blocks, 1)))
    },
    "norms": lambda: {"a.weight_g": waves(5, 1), "a.weight_v": waves(5, 7), "b_g": waves(1, 4), "b_v": waves(3, 4)},
    "norm of all": lambda: {"a.weight_g": waves(1), "a.weight_v": waves(5, 7), "lone_g": waves(3, 1)},
    "spectral": lambda: {"a.weight_orig": waves(4, 6), "a.weight_u": waves(4), "a.weight_v": waves(6)},
    "spectral, square": lambda: {"a.weight_orig": waves(4, 4), "a.weight_u": waves(4), "a.weight_v": waves(4)},
    "transposed spectral": lambda: {
        "a.weight_orig": waves(3, 4, 2, 2),
        "a.weight_u": waves(4),
        "a.weight_v": waves(12),
    },
    "pruned": lambda: {"a.weight_orig": waves(4, 6), "a.weight_mask": bits(4, 6)},
    "parametrised": lambda: {
        "a.parametrizations.weight.original0": waves(5, 1),
        "a.parametrizations.weight.original1": waves(5, 7),
        "b.parametrizations.weight.original": waves(4, 6),
        "b.parametrizations.weight.0._u": waves(4),
        "b.parametrizations.weight.0._v": waves(6),
        "c.parametrizations.weight.original": waves(4, 6),
        "d.parametrizations.weight.0.base": waves(4, 4),
    },
    "XLNet": lambda: {f"rel_attn.{name}": waves(6, 2, 3, start=place) for place, name in enumerate("qkvor")},
    "heads in the middle": lambda: {f"a.{name}": waves(4, 2, 6, start=place) for place, name in enumerate("qkv")},
    "no attention": lambda: {"a.q": waves(6, 2, 3), "a.k": waves(5, 2, 3), "a.v": waves(6, 2, 3)},
    "rows": lambda: {"m.w1": waves(3, 4, 5), "m.b1": waves(3, 5), "m.b_2": waves(3, 4), "m.b3": waves(3, 6)},
    "no rows": lambda: {"m.w1": waves(3, 4, 5), "m.b1": waves(4, 5), "n.b1": waves(3, 5), "m.c": waves(3, 5)},
    "projected": lambda: {
        "r.weight_ih_l0": waves(12, 5),
        "r.weight_hh_l0": waves(12, 2),
        "r.weight_hr_l0": waves(2, 3),
    },
    "GRU": lambda: {"r.weight_ih_l0": waves(12, 5), "r.weight_hh_l0": waves(12, 4)},
    "router": lambda: {"m.router.weight": waves(3, 8), "m.experts.w1": waves(12, 8), "m.experts.w2": waves(24, 4)},
    "router of rows": lambda: {
        "m.gate.weight": waves(8, 3),
        "m.experts.w1": waves(8, 12),
        "m.experts.w2": waves(5, 12),
    },
    "router far up": lambda: {
        "router.weight": waves(3, 8),
        "a.b.c.d.experts.w": waves(12, 8),
        "a.b.c.experts.w": waves(12, 8),
    },
    "explicit": lambda: {
        "m.router.weight": waves(3, 8),
        "m.w1": waves(12, 8),
        "m.w3": waves(12, 8),
        "m.w2": waves(24, 4),
    },
    "a way back": lambda: {"m.router.weight": waves(3, 8), "m.up": waves(12, 8), "m.down": waves(8, 12)},
    "as many": lambda: {"m.gate.weight": waves(3, 3), "m.experts.w1": waves(6, 3)},
    "a stack of one": lambda: {"m.experts.w": waves(1, 4, 5), "m.experts.v": waves(12, 4)},
    "one expert": lambda: {"m.gate.weight": waves(1, 8), "m.experts.w1": waves(12, 8)},
    "stack and biases": lambda: {
        "m.experts.w": waves(3, 4, 5),
        "m.experts.v": waves(12, 4),
        "m.experts.u": waves(13, 4),
    },
    "LoRA": lambda: {
        "q.lora_A.weight": waves(2, 8),
        "q.lora_B.weight": waves(6, 2),
        "q.weight": waves(6, 8),
        "q.alpha": torch.tensor(4.0),
    },
    "LoRA of two": lambda: {
        **{
            f"q.lora_{part}.{name}.weight": waves(*shape)
            for name in "xy"
            for part, shape in (("A", (2, 8)), ("B", (6, 2)))
        },
        "q.base_layer.weight": waves(6, 8),
    },
    "LoRA that does not fit": lambda: {
        "q.lora_A.weight": waves(2, 8),
        "q.lora_B.weight": waves(6, 3),
        "r.lora_A": waves(0, 4),
        "r.lora_B": waves(3, 0),
    },
    "LoRA of a kernel": lambda: {
        "c.lora_down.weight": waves(2, 3, 3, 3),
        "c.lora_up.weight": waves(4, 2, 1, 1),
        "c.alpha": torch.tensor(1.0),
    },
    "LoRA of a table": lambda: {
        "e.lora_embedding_A": waves(2, 9),
        "e.lora_embedding_B": waves(4, 2),
        "e.weight": waves(9, 4),
    },
    "DoRA": lambda: {
        "q.lora_A": waves(2, 8),
        "q.lora_B": waves(6, 2),
        "q.weight": waves(6, 8),
        "q.lora_magnitude_vector": waves(6),
        "q.alpha": torch.tensor(2),
    },
    "tied": lambda: (lambda t: {"a.weight": t, "b.weight": t, "c.weight": t.T, "d.weight": t.clone()})(waves(4, 4)),
    "types": lambda: {
        **{
            str(t).removeprefix("torch.") + ".weight": waves(3, 4).to(t)
            for t in (torch.float16, torch.bfloat16, torch.complex64)
        },
        **{
            str(t).removeprefix("torch.") + ".weight": codes(3, 4, dtype=t)
            for t in (torch.int64, torch.uint8, torch.bool)
        },
    },
    "modes": lambda: {
        "f.weights1": waves(2, 3, 4).to(torch.complex64),
        "g": waves(1, 3, 4).to(torch.complex64),
        "h": waves(3, 2, 2, 2).to(torch.complex128),
    },
    "sparse": lambda: {
        "a.weight": waves(3, 4).to_sparse(),
        "m": torch.empty(3, 4, device="meta"),
        "e": waves(3, 1).expand(3, 9),
    },
}
