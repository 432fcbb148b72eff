"""What the HParams page reads has the bytes that TensorBoard's own helpers give, and comes back as it was."""

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from htmu_diag.sinks.hparams import SESSION_START, add_experiment, add_session_start, settings

CHOSEN = {"amp": True, "lr": 0.5, "name": "mlp"}


def test_an_experiment_has_the_bytes_of_tensorboards_helpers() -> None:
    ours, theirs = Summary(), Summary()
    add_experiment(ours, CHOSEN, ["train/loss"])
    data = HParamsPluginData(
        experiment=metadata.parse_experiment_plugin_data(ours.value[0].metadata.plugin_data.content)
    )
    theirs.value.add(
        tag=metadata.EXPERIMENT_TAG, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )
    assert {info.name for info in data.experiment.hparam_infos} == set(CHOSEN)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


def test_settings_come_back_and_those_of_another_version_do_not() -> None:
    summary = Summary()
    add_session_start(summary, CHOSEN)
    assert summary.value[0].tag == SESSION_START == metadata.SESSION_START_INFO_TAG
    content = summary.value[0].metadata.plugin_data.content
    assert settings(content) == CHOSEN
    later = HParamsPluginData.FromString(content)
    later.version = metadata.PLUGIN_DATA_VERSION + 1
    assert settings(later.SerializeToString()) == {}
