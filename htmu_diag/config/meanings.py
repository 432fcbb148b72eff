"""What others call the keys of a run, and the key that is answered to a wrong one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from htmu_diag.nearest import nearest

__all__ = ["SYNONYMS", "meant", "suggestion"]

# key -> its names in other training scripts (Keras, Lightning, transformers, timm, nanoGPT)
_CALLED = {
    "optimizer.lr": "learning_rate lrate eta step_size base_lr max_lr peak_lr",
    "optimizer.name": "optim opt optimiser algorithm",
    "optimizer.momentum": "beta1 beta",
    "optimizer.weight_decay": "wd l2 decay regularization weight_decay_rate",
    "optimizer.schedule": "scheduler lr_scheduler lr_schedule lr_scheduler_type sched",
    "optimizer.warmup": "warmup_steps warmup_iters num_warmup_steps warmup_epochs",
    "optimizer.clip": "grad_clip clip_grad gradient_clip gradient_clip_val clip_norm max_norm max_grad_norm",
    "data.batch_size": "batch bs batchsize mini_batch minibatch minibatch_size train_batch_size "
    "per_device_train_batch_size",
    "data.name": "dataset data_set task",
    "data.root": "data_dir data_root data_path dataset_path",
    "data.context": "seq_len sequence_length block_size context_length max_length max_seq_len",
    "data.random_labels": "label_noise noisy_labels label_corruption",
    "data.test_fraction": "test_size val_fraction validation_split test_split held_out_fraction",
    "data.samples": "num_samples n_samples train_size max_samples limit subset",
    "data.augment": "augmentation data_augmentation",
    "data.dimension": "input_dim n_features",
    "model.name": "arch architecture network net model_name",
    "model.widths": "width hidden hidden_sizes hidden_dims hidden_dim hidden_units units layer_sizes",
    "model.layers": "depth n_layer n_layers num_layers num_hidden_layers blocks",
    "model.heads": "n_head n_heads num_heads num_attention_heads attention_heads",
    "model.embedding": "n_embd d_model hidden_size embed_dim embedding_dim emb",
    "model.channels": "filters n_filters num_filters num_channels",
    "model.activation": "act nonlinearity act_fn",
    "model.dropout": "drop p_drop dropout_rate dropout_p",
    "monitor.every": "interval frequency measure_every snapshot_every snapshot_interval cadence",
    "monitor.probes": "probe measurements metrics",
    "monitor.include": "layers_to_watch filter params parameters",
    "monitor.sinks": "loggers logger trackers report_to tracker",
    "checkpoint.every": "save_every save_steps save_interval checkpoint_every checkpoint_interval ckpt_every",
    "checkpoint.keep": "save_total_limit save_top_k keep_last max_checkpoints",
    "steps": "epochs num_epochs max_epochs n_epochs num_train_epochs iterations iters max_iters n_iters max_steps "
    "n_steps num_steps total_steps train_steps",
    "evaluate_every": "eval_every eval_interval eval_steps val_every val_interval test_every",
    "log_every": "log_interval logging_steps log_steps print_every log_every_n_steps",
    "seed": "random_seed random_state rng manual_seed",
    "device": "gpu gpus cuda accelerator use_cuda",
    "dtype": "precision amp bf16 mixed_precision fp16 float_type",
    "threads": "num_threads n_threads cpu_threads nthreads",
}
SYNONYMS = {other: key for key, others in _CALLED.items() for other in others.split()}


def suggestion(key: str, known: Sequence[str]) -> str:
    """The nearest right key: by its last part ("lr" -> "optimizer.lr"), by meaning, then by spelling."""
    last = key.rpartition(".")[2].lower().replace("-", "_")
    close = meant(key, known)
    if not close and (near := nearest(key, known)):
        close = [near]
    if not close and (part := nearest(last, [*(name.rpartition(".")[2] for name in known), *SYNONYMS])):
        close = _called(part, known) or [SYNONYMS[part]]
    if close:
        return f"did you mean {' or '.join(repr(name) for name in close)}?"
    return "see `htmu train --help` for every key"


def meant(key: str, known: Collection[str]) -> list[str]:
    """The keys that it names for sure: by their own last part, or as others call them."""
    last = key.rpartition(".")[2].lower().replace("-", "_")
    return [*_called(last, known), *([SYNONYMS[last]] if last in SYNONYMS else [])]


def _called(last: str, known: Collection[str]) -> list[str]:
    """The keys whose own name, without the section, is this."""
    return [name for name in known if name.rpartition(".")[2] == last]
