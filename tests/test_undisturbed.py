"""What a block leaves as it was: the collector too, off where it was off."""

import gc

import pytest

from htmu_diag.undisturbed import uncollected


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_rests_in_the_block_and_is_as_it_was_after_it(collecting: bool) -> None:
    (gc.enable if collecting else gc.disable)()
    try:
        with pytest.raises(KeyError), uncollected():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is collecting
    finally:
        gc.enable()
