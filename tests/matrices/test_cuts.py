"""Names of the matrices in one tensor, and pieces of a tensor that lie about their place or size."""

import pytest
import torch

from htmu_diag.matrices.layout import Layout, Part, Splitting
from htmu_diag.matrices.reshape import cuts
from htmu_diag.matrices.shard_metadata import Piece, _refuse_holes, _refuse_short_files


@pytest.mark.parametrize(("count", "last"), [(2, "1"), (10, "9"), (11, "10")])
def test_members_are_numbered_in_as_few_digits_as_the_last_needs(count: int, last: str) -> None:
    heads = Layout(parts=(Part("", 2 * count, "query", count),))
    stack, modes = Layout("stack", item="expert"), Layout("modes", item="mode")
    found = {
        "head": list(cuts((2 * count, 4), heads, Splitting(heads=True))),
        "expert": list(cuts((count, 3, 4), stack, Splitting())),
        "mode": list(cuts((3, 4, count), modes, Splitting())),
        "position": list(cuts((3, 4, count), Layout("conv"), Splitting(conv="positions"))),
    }
    for item, some in found.items():
        names = [cut.suffix for cut in some]
        assert len(names) == count
        assert (names[0], names[-1]) == (f".{item}{'0' * len(last)}", f".{item}{last}")


def test_a_piece_holds_its_values_and_lies_inside() -> None:
    def piece(offset: int, length: int) -> Piece:
        return Piece((offset, 0), (3, 4), "x", 0, length)

    _refuse_short_files((piece(0, 48),), torch.float32)
    _refuse_holes((3, 4), (piece(0, 48),))
    with pytest.raises(ValueError, match="48 bytes of values in 47 bytes"):
        _refuse_short_files((piece(0, 47),), torch.float32)
    with pytest.raises(ValueError, match="reaches beyond the tensor"):
        _refuse_holes((3, 4), (piece(1, 48),))
