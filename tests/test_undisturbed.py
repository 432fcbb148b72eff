"""What a block leaves as it was: the collector too, off where it was off."""

import gc
import subprocess
import sys

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


@pytest.mark.parametrize("own", [True, False])
def test_only_in_a_commands_own_process_the_collector_takes_imports_for_granted(own: bool) -> None:
    lines = ["import gc", "from htmu_diag.own_process import importing, own_process"]
    lines += ["own_process()"] * own + ["with importing():", "    import json", "print(gc.get_freeze_count() > 1000)"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(own)
