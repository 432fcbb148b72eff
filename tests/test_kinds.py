"""A kind is a word, and what is said of it decides the fits; a probe from outside brings its own."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.analysis import Options, diagnose
from htmu_diag.errors import InputError
from htmu_diag.kinds import Kind
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.storage import Store, load_run

PLAIN = Options(bootstrap=0)


def spectrum(kind: Kind | str) -> Spectrum:
    values = MarchenkoPastur(0.5).ppf((np.arange(150) + 0.5) / 150)
    return Spectrum.exact(values, Source(kind, "w", (150, 300)))  # type: ignore[arg-type]


def test_kinds_of_one_name_are_equal_and_text() -> None:
    assert Kind("weights") is Kind.WEIGHTS
    assert Kind("mine") == "mine" == f"{Kind('mine')}" == Kind("mine").value
    assert spectrum("weights").source.kind is Kind.WEIGHTS


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda kind: pickle.loads(pickle.dumps(kind))])
def test_what_is_said_of_a_kind_goes_where_it_goes(again: object) -> None:
    kind = again(Kind("attention", orientation="inverse", bulk=True, lower_tail=True))  # type: ignore[operator]
    assert (kind.value, kind.orientation, kind.bulk, kind.lower_tail) == ("attention", "inverse", True, True)
    assert again(Kind.NTK) is Kind.NTK  # type: ignore[operator]


@pytest.mark.parametrize("name", ["", "two words", "a/b", "1st", 7])
def test_a_kind_is_one_word(name: str) -> None:
    with pytest.raises(InputError, match="one word"):
        Kind(name)


def test_of_this_packages_kinds_nothing_else_is_said() -> None:
    with pytest.raises(InputError, match="another name"):
        Kind("weights", bulk=False)
    with pytest.raises(InputError, match="has orientation, bulk"):
        Kind("other", bulky=True)


def test_a_kind_with_a_bulk_is_fitted_as_the_package_fits_its_own() -> None:
    like_weights = diagnose(spectrum(Kind("patches", bulk=True, of_weights=True)), PLAIN)
    assert like_weights.numbers == diagnose(spectrum("weights"), PLAIN).numbers
    like_kernels = diagnose(spectrum(Kind("heads", orientation="inverse", bulk=True, lower_tail=True)), PLAIN)
    np.testing.assert_equal(like_kernels.numbers, diagnose(spectrum("ntk"), PLAIN).numbers)


def test_of_a_kind_without_a_bulk_only_tails_are_fitted() -> None:
    assert diagnose(spectrum(Kind("nobody_knows")), PLAIN).lower is None
    both = diagnose(spectrum(Kind("jumps", lower_tail=True)), PLAIN)
    assert both.bulk is None
    assert both.lower is not None


def test_a_stored_kind_is_read_where_nobody_declared_it(tmp_path: Path) -> None:
    kind = Kind("gates", bulk=True, of_weights=True)
    with Store(tmp_path) as store:
        store.write(0, [spectrum(kind)])
    Kind("gates", bulk=False)  # another version of the probe; the file says what was meant
    (read,) = load_run(tmp_path).spectra(0)
    assert read.source.kind.traits == kind.traits
    assert diagnose(read, PLAIN).numbers == diagnose(spectrum("weights"), PLAIN).numbers
