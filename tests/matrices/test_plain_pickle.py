"""A pickle as plain data: the same values as Python's reader gives for plain ones, and nothing of Python's touched."""

import contextlib
import io
import pathlib
import pickle
import random
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmu_diag.matrices.plain_pickle import DamagedPickle, Made, Name, plain_pickle

KEYS = st.one_of(st.text(), st.integers(-(2**59), 2**59), st.booleans(), st.none(), st.binary())
VALUES = st.recursive(
    st.one_of(KEYS, st.floats(allow_nan=False), st.integers(-(2**500), 2**500)),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(KEYS, inner), st.tuples(inner, inner), st.sets(KEYS), st.frozensets(KEYS)
    ),
    max_leaves=20,
)
Pair = namedtuple("Pair", "a b")


@given(VALUES, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_read_as_python_reads_them(value: object, protocol: int) -> None:
    if protocol > 1 or not isinstance(value, set | frozenset | bytes):  # earlier protocols call a function for these
        data = pickle.dumps(value, protocol)
        if b"csets" not in data and b"c__builtin__" not in data and b"c_codecs" not in data and b"builtins" not in data:
            assert plain_pickle(data) == pickle.loads(data)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_become_stand_ins_with_their_arguments_and_state(protocol: int) -> None:
    made = plain_pickle(pickle.dumps(pathlib.PurePosixPath("a/b"), protocol))
    assert isinstance(made, Made)
    assert made.by.text.endswith("PurePosixPath")
    assert "a" in str(made.arguments)


def u(text: str) -> bytes:
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


ACTS = {
    "call": b"cos\nsystem\n" + u("true") + b"\x85R.",
    "state of a class": b"cpathlib\nPosixPath\nN}" + u("_str") + u("x") + b"s\x86b.",
    "state of a class, dictionary": b"cpathlib\nPosixPath\n}" + u("_str") + u("x") + b"sb.",
    "state of a function": b"cos\ngetcwd\n}" + u("x") + u("y") + b"sb.",
    "instance, old": b"(" + u("true") + b"ios\nsystem\n.",
    "object, old": b"(cos\nsystem\n" + u("true") + b"o.",
    "called result": b"cbuiltins\ngetattr\ncos\n_Environ\n" + u("x") + b"\x86R)R.",
    "extension": b"\x82\x01.",
    "buffer": b"\x97.",
}


@pytest.mark.parametrize("act", ACTS)
def test_what_a_pickle_names_is_not_touched(act: str) -> None:
    before = (dict(vars(pathlib.PosixPath)), dict(vars(pathlib.Path)), dict(vars(io.BytesIO)))
    try:
        found = plain_pickle(ACTS[act])
    except pickle.UnpicklingError:
        found = Made(Name("refused"))
    assert isinstance(found, Made)
    assert before == (dict(vars(pathlib.PosixPath)), dict(vars(pathlib.Path)), dict(vars(io.BytesIO)))


BOMBS = {
    "a tuple as key, a million deep": b"})" + b"\x85" * 1_000_000 + b"K\x01s.",
    "a shared tuple as key, two to the fiftieth": b"})" + b"2\x86" * 50 + b"K\x01s.",
    "keys of one hash": b"}("
    + b"".join(b"\x8a\x20" + (i * (2**61 - 1)).to_bytes(32, "little") + b"N" for i in range(1, 50_000))
    + b"u.",
    "a place of the memo far out": b"Nr\xff\xff\xff\x7f.",
    "many values at once": b"]" * 2_000_000 + b".",
    "a text that claims eight exabytes": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    "a number of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "no end": b"N",
    "nothing": b"",
    "a mark as a value": b"(.",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_or_read_and_costs_little(bomb: str) -> None:
    if bomb == "a place of the memo far out":
        assert plain_pickle(BOMBS[bomb]) is None
        return
    with pytest.raises(DamagedPickle):
        plain_pickle(BOMBS[bomb])


def test_a_name_that_is_not_known_is_refused_with_the_name() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"^numpy\.\S*multiarray"):
        plain_pickle(pickle.dumps(np.zeros(3)), known=lambda name: name.startswith("torch."))


def test_an_ordered_dictionary_keeps_its_items() -> None:
    assert plain_pickle(pickle.dumps(OrderedDict(a=1, b=2))).state == {"a": 1, "b": 2}
    assert plain_pickle(pickle.dumps(Pair(1, 2))).arguments == (1, 2)


def test_the_first_of_several_pickles_is_read_and_the_next_begins_behind_it() -> None:
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps([2]))
    assert (plain_pickle(stream), plain_pickle(stream)) == (1, [2])


def test_random_bytes_and_flipped_bits_raise_nothing_else() -> None:
    read, rng, whole = 0, random.Random(0), pickle.dumps({"a": [(1, 2.0), {"b": Pair(1, "x")}], "c": {1, 2}})
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(pickle.UnpicklingError):
            plain_pickle(bytes(data[: rng.randrange(1, len(data) + 1)]))
            read += 1
    assert 0 < read < 3000  # some are harmless, some are not
