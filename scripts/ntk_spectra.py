"""Spectra of the neural tangent kernel before and after training, for VGG11, ResNet9 and ResNet18 on 1,000 images.

    python scripts/ntk_spectra.py --data digits                     # scikit-learn's digits, enlarged to 32 x 32
    python scripts/ntk_spectra.py --data cifar10 --root data        # the files as torchvision stores them
    python scripts/ntk_spectra.py --data fake --samples 64 --epochs 1

Writes OUT/ntk_spectra.png (histograms in log scale with the inverse-Gamma fit of the lowest fifth and the power law of
the tail, each with the p-value of its KS distance), OUT/fits.csv and a run folder OUT/<model> for each model (step 0,
and the last step), which `htmu_diag.load_run` reads; `--redraw` makes the picture and the table again from these runs.
VGG11 has batch normalisation here; ResNet18 and VGG11 are torchvision's, ResNet9 has 16 channels (413 k parameters).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from htmu_diag.analysis import diagnose
from htmu_diag.errors import ConfigError, HTMUError
from htmu_diag.fits import LawFit, TailFit, fit_inverse_gamma
from htmu_diag.operators import empirical_ntk, kernel_target_alignment
from htmu_diag.solvers import ntk_spectrum
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage import PROBE_BATCH, Store, load_run, run_info
from htmu_diag.training.models.resnet9 import ResNet9

FRACTION = 0.2  # the lowest part that is fitted; see `fit_inverse_gamma`


def vgg11() -> nn.Module:
    from torchvision.models import vgg11_bn

    return nn.Sequential(vgg11_bn(weights=None).features, nn.Flatten(), nn.Linear(512, 10))


def resnet18() -> nn.Module:
    from torchvision.models import resnet18 as make

    model: nn.Module = make(weights=None, num_classes=10)
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "vgg11": vgg11,
    "resnet9": lambda: ResNet9(3, 10, channels=16),
    "resnet18": resnet18,
}


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    if not options.redraw:
        images, labels = load(options.data, options.samples, options.root)
        for name in options.models:
            measure(name, images, labels, options)
    measured = {name: stored(options.out / name) for name in options.models}
    draw(measured, options.data).savefig(options.out / "ntk_spectra.png", dpi=100)
    write_fits(measured, options.out / "fits.csv")
    print(f"wrote {options.out / 'ntk_spectra.png'} and {options.out / 'fits.csv'}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("cifar10", "fake", "digits"), default="cifar10")
    parser.add_argument("--root", default="data", help="folder of the CIFAR-10 files")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--outputs", choices=("trace", "pseudo"), default="trace")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/ntk_spectra"))
    parser.add_argument("--redraw", action="store_true", help="measure nothing; use the runs in OUT")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def load(data: str, samples: int, root: str) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32) of zero mean and unit variance, and labels (n,)."""
    if data == "fake":
        return torch.randn(samples, 3, 32, 32), torch.randint(0, 10, (samples,))
    if data == "digits":
        from sklearn.datasets import load_digits

        table = load_digits()
        images, labels = torch.tensor(table.images, dtype=torch.float32)[:, None], torch.tensor(table.target)
        images = nn.functional.interpolate(images, size=(32, 32), mode="bilinear").expand(-1, 3, -1, -1)
    else:
        images, labels = cifar10(root)
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:samples]
    images = images[chosen]
    return (images - images.mean()) / images.std(), labels[chosen].long()


def cifar10(root: str) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import CIFAR10

    try:
        table = CIFAR10(root, train=True, download=False)
    except RuntimeError as error:  # torchvision's "Dataset not found or corrupted"
        raise ConfigError(
            f"CIFAR-10 is not complete in {root!r}; fetch it with: htmu fetch cifar10 --root {root}, "
            "or run with --data digits or --data fake"
        ) from error
    return torch.as_tensor(table.data).permute(0, 3, 1, 2).float(), torch.as_tensor(table.targets)


def measure(name: str, images: Tensor, labels: Tensor, options: argparse.Namespace) -> None:
    """Store the spectra at initialisation and after training, and the samples, in the model's run folder."""
    torch.manual_seed(options.seed)
    model = MODELS[name]()
    calibrate(model, images)
    config = {key: str(value) for key, value in vars(options).items()} | {"model": name}
    with Store(options.out / name, info=run_info(config, seed=options.seed)) as store:
        store.keep(PROBE_BATCH, {"inputs": images.numpy(), "targets": labels.numpy()})
        for epochs in (0, options.epochs):
            step = train(model, images, labels, epochs)
            right = accuracy(model, images, labels)
            print(f"{name}, step {step}: {right:.1%} of the training images right", flush=True)
            spectrum = spectrum_of(model, images, labels, step, options)
            store.write(step, [spectrum], scalars={"train/accuracy": right})


def stored(folder: Path) -> dict[str, Spectrum]:
    """The first and the last spectrum of a run."""
    run = load_run(folder)
    last, right = run.scalars()["train/accuracy"][-1]
    trained = f"after {last} steps, {right:.1%} right"
    return {"at initialisation": run.spectra(0)[0], trained: run.spectra(last)[0]}


def calibrate(model: nn.Module, images: Tensor) -> None:
    """Running statistics of the untrained network: without them, eval mode would not normalise at all."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average over the batches
    with torch.no_grad():
        for batch in in_parts(images):
            model.train()(batch)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def in_parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """At most 100 rows each, of nearly equal size: batch normalisation cannot train on a single one."""
    return tensor.tensor_split(-(-len(tensor) // 100))


def spectrum_of(model: nn.Module, images: Tensor, labels: Tensor, step: int, options: argparse.Namespace) -> Spectrum:
    start = time.process_time()
    kernel = empirical_ntk(model.eval(), images, outputs=options.outputs)
    spectrum = ntk_spectrum(kernel, step=step)
    alignment = kernel_target_alignment(kernel.matrix, labels)
    print(str(kernel.plan).splitlines()[0])
    seconds = time.process_time() - start
    print(f"step {step}: {seconds:.0f} CPU s, alignment with the labels {alignment:.3f}", flush=True)
    return replace(spectrum, scalars={**spectrum.scalars, "target_alignment": alignment})


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, size: int = 50) -> int:
    """AdamW, learning rate 1e-3 falling to zero. Returns the number of steps."""
    model.train()
    size = min(size, len(images))
    steps = epochs * (len(images) // size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(images)), size)[: len(images) // size]:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return steps


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        found = torch.cat([model.eval()(part).argmax(1) for part in in_parts(images)])
    return float((found == labels).float().mean())


def near_zero(spectrum: Spectrum) -> LawFit:
    """The inverse-Gamma fit of the lowest part."""
    values = spectrum.values[spectrum.values > 0]
    return fit_inverse_gamma(values, FRACTION)


def draw(measured: dict[str, dict[str, Spectrum]], data: str) -> Figure:
    """A column for each model, a row for each time: histogram of the eigenvalues on two logarithmic axes."""
    figure = Figure(figsize=(4.2 * len(measured), 6.4), layout="constrained")
    axes = figure.subplots(2, len(measured), squeeze=False, sharex="col")
    for column, (name, spectra) in enumerate(measured.items()):
        for row, (when, spectrum) in enumerate(spectra.items()):
            panel(axes[row, column], spectrum, near_zero(spectrum), diagnose(spectrum).tail)
            axes[row, column].set_title(f"{name}, {when}", fontsize=10)
        axes[-1, column].set_xlabel("eigenvalue of K / n")
    axes[0, 0].set_ylabel("density")
    axes[1, 0].set_ylabel("density")
    n = next(iter(next(iter(measured.values())).values())).dimension
    figure.suptitle(f"Neural tangent kernel on {n} images ({data})")
    return figure


def panel(axes: Any, spectrum: Spectrum, fit: LawFit, tail: TailFit) -> None:
    values = spectrum.values[spectrum.values > 0]
    bins = np.geomspace(values[0], values[-1] * 1.001, 60)
    heights = np.histogram(values, bins)[0] / values.size / np.diff(bins)
    axes.stairs(heights, bins, fill=True, color="0.75")
    if fit.law is not None:
        top = np.sort(values)[min(fit.n, values.size - 1)]
        x = np.geomspace(values[0] / 2, top, 200)
        label = f"inverse Gamma, lowest {FRACTION:.0%}\nshape {fit.parameters['shape']:.2f}, KS {fit.ks_distance:.3f}"
        axes.plot(x, fit.n / values.size * fit.law.pdf(x) / fit.law.cdf(top), color="C3", label=label)
    if tail.status.ok:
        x = np.geomspace(tail.xmin, values[-1], 50)
        height = tail.n_tail / values.size * (tail.alpha - 1) / tail.xmin
        label = f"power law, highest {tail.n_tail / values.size:.0%}\nalpha {tail.alpha:.2f}, KS p = {tail.p_value:.2f}"
        axes.plot(x, height * (x / tail.xmin) ** -tail.alpha, "--", color="C0", label=label)
    else:
        axes.plot([], [], "--", color="C0", label=f"power law: {tail.status.code.replace('_', ' ')}")
    axes.legend(fontsize=8, frameon=False, loc="upper right")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(heights[heights > 0].min() / 3, heights.max() * 300)


def write_fits(measured: dict[str, dict[str, Spectrum]], path: Path) -> None:
    """One row for each model and time: the diagnosis and the fit near zero."""
    rows = []
    for name, spectra in measured.items():
        for when, spectrum in spectra.items():
            fit = near_zero(spectrum)
            own = {"model": name, "when": when, "inverse_gamma_shape": fit.parameters.get("shape")}
            rows.append(diagnose(spectrum).row() | own | {"inverse_gamma_ks": fit.ks_distance})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    try:
        main()
    except HTMUError as error:
        sys.exit(str(error))
