"""A probe is what it declares; a field that means nothing is refused before the training begins."""

import pytest

from htmu_diag.errors import InputError
from htmu_diag.kinds import Kind
from htmu_diag.probes import Declaration, NTKProbe, Probe, TrajectoryProbe, WeightsProbe, registry


class Least:
    """What every probe has."""

    name, needs = "least", frozenset({"model"})

    def measure(self, context: object) -> list[object]:
        return []


def changed(**fields: object) -> Least:
    return type("Changed", (Least,), fields)()


def test_what_is_not_declared_is_the_least() -> None:
    assert Declaration.of(Least()) == Declaration("least", frozenset({"model"}), "first", False, (), 0, ())
    assert Declaration.of(changed(samples="all", kind=3, remarks=None, collective=True)) == Declaration.of(Least())


@pytest.mark.parametrize("name", sorted(registry))
def test_every_probe_of_the_package_declares_its_kinds(name: str) -> None:
    probe: Probe = registry[name]()
    assert Declaration.of(probe).name == name
    assert Declaration.of(probe).kinds


def test_how_a_probe_runs_is_declared() -> None:
    assert Declaration.of(WeightsProbe()).runs == "shared"
    assert Declaration.of(TrajectoryProbe()).observes
    assert Declaration.of(NTKProbe(samples=7)).rows == 7
    assert Declaration.of(registry["hessian"]()).runs == "together"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "it has no name"),
        ({"name": 3}, "it has no name"),
        ({"needs": frozenset({"modle"})}, r"needs \['modle'\]; there are model"),
        ({"needs": None}, "needs is None; it must be a set"),
        ({"runs": "everywhere"}, "it must be first or shared or together"),
        ({"runs": "shared"}, r"no method capture\(context\), which it declares"),
        ({"runs": ["first"]}, "it must be first"),
        ({"observes": 1}, "it must be True or False"),
        ({"observes": True}, r"no method observe\(context\)"),
        ({"priced": True}, r"no method price\(context\)"),
        ({"observe": lambda self, context: None}, "declare observes = True"),
        ({"capture": lambda self, context: []}, "declare runs = 'shared'"),
        ({"rows": "all of them"}, "a whole number of samples"),
        ({"rows": -1}, "a whole number of samples"),
        ({"kinds": ("weights",)}, "a tuple of htmu_diag.Kind"),
        ({"kinds": Kind.WEIGHTS}, "a tuple of Kind"),
        ({"measure": None}, r"no method measure\(context\)"),
        ({"measure": lambda self: []}, r"no method measure\(context\)"),
        ({"observes": True, "observe": lambda self, step, context: None}, r"no method observe\(context\)"),
        ({"quantities": 5}, "a tuple of Quantity"),
    ],
)
def test_a_field_that_means_nothing_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Declaration.of(changed(**fields))


def test_a_class_in_place_of_its_object_is_refused() -> None:
    with pytest.raises(InputError, match=r"WeightsProbe is a class; pass an object of it: WeightsProbe\(\.\.\.\)"):
        Declaration.of(WeightsProbe)


def test_a_method_may_have_any_name_once_the_field_says_what_it_is() -> None:
    quiet = changed(observe=lambda self, context: 1 / 0, observes=False)
    assert not Declaration.of(quiet).observes
