"""The table of every logged number. Tags, table headings, plugin labels and docs/numbers.md are made from it.

A tag is ``<kind>_<quantity>/<layer>``, for example ``weights_alpha/fc1.weight``: TensorBoard groups by the first
component only, so each quantity gets a group with one card a layer.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from htmu_diag.analysis.quantity import Quantity
from htmu_diag.errors import InputError

__all__ = ["QUANTITIES", "Quantity", "declare", "declare_stored", "declared", "quantity", "tag"]


_INF = math.inf
# fmt: off
_ROWS = (
    # the spectrum itself
    Quantity("dimension", "N", "1", 0, _INF, "Number of eigenvalues of the operator."),
    Quantity("gamma", "gamma", "1", 0, 1,
             "Aspect ratio of the matrix without its zero rows and columns, smaller side over larger.", "gamma"),
    Quantity("lambda_max", "lambda_max", "as values", -_INF, _INF, "Largest eigenvalue."),
    Quantity("lambda_min", "lambda_min", "as values", -_INF, _INF, "Smallest eigenvalue known."),
    Quantity("trace", "tr", "as values", -_INF, _INF, "Sum of the eigenvalues."),
    Quantity("trace_stderr", "se(tr)", "as values", 0, _INF,
             "Standard error of the trace, from its probes.", of_weights=False),
    Quantity("log_norm", "log10 lambda_max", "decades", -_INF, _INF,
             "Decimal logarithm of the largest eigenvalue.", mean="mean"),
    Quantity("stable_rank", "tr / lambda_max", "1", 0, _INF,
             "Sum of the eigenvalues over the largest one.", mean="mean", brief="stable rank"),
    Quantity("effective_rank", "exp H", "1", 0, _INF, "Exponential of the entropy of the normalised eigenvalues."),
    Quantity("zero_fraction", "f_0", "1", 0, 1, "Share of eigenvalues that are zero to rounding."),
    Quantity("zero_rows", "rows_0", "1", 0, _INF, "Rows of zeros, where there are any; laws and phase leave them out."),
    Quantity("zero_columns", "cols_0", "1", 0, _INF, "Columns of zeros, where there are any; left out likewise."),
    Quantity("copied_rows", "rows_=", "1", 0, _INF, "Rows that are copies of an earlier one, where there are any."),
    Quantity("copied_columns", "cols_=", "1", 0, _INF, "Columns that are copies of an earlier one, likewise."),
    Quantity("negative_mass", "f_-", "1", 0, 1, "Share of the spectrum below zero (indefinite operators)."),
    # norms of a weight matrix, whatever its eigenvalues were divided by
    Quantity("log_frobenius_norm", "log10 ||W||_F^2", "decades", -_INF, _INF,
             "Logarithm of the squared Frobenius norm of W.", mean="mean"),
    Quantity("log_spectral_norm", "log10 ||W||_2^2", "decades", -_INF, _INF,
             "Logarithm of the squared spectral norm of W.", mean="mean"),
    Quantity("log_alpha_norm", "log10 ||W^T W||_alpha^alpha", "decades", -_INF, _INF,
             "Logarithm of the sum of the eigenvalues of W^T W to the power alpha.", mean="mean", fitted=True),
    # the upper tail as a power law
    Quantity("alpha", "alpha", "1", 1, _INF,
             "Exponent of the eigenvalue density above xmin, by maximum likelihood.", "alpha", mean="mean",
             fitted=True, brief="alpha"),
    Quantity("alpha_stderr", "se(alpha)", "1", 0, _INF, "Standard error of alpha, the choice of xmin included."),
    Quantity("alpha_low", "alpha_2.5%", "1", -_INF, _INF, "Lower end of the 95 % interval of alpha."),
    Quantity("alpha_high", "alpha_97.5%", "1", -_INF, _INF, "Upper end of the 95 % interval of alpha."),
    Quantity("xmin", "xmin", "as values", 0, _INF, "Where the tail starts: smallest KS distance.", "xmin"),
    Quantity("n_tail", "n_tail", "1", 0, _INF, "Eigenvalues in the tail.", "n_tail"),
    Quantity("ks", "D", "1", 0, 1, "KS distance of the tail to the fitted power law.", "KS"),
    Quantity("p", "p", "1", 0, 1,
             "Share of synthetic power-law samples that fit worse than the data; the verdict on the tail is in `tail`.",
             "p"),
    Quantity("alpha_noise", "alpha_MP", "1", 1, _INF,
             "What the same estimator gives on pure noise of this shape, above the same quantile as the measured xmin.",
             mean="mean", fitted=True, brief="on noise"),
    Quantity("alpha_weighted", "alpha log10 ||W||_2^2", "1", -_INF, _INF,
             "Alpha times the logarithm of the squared spectral norm (alpha-hat); of lambda_max where there is no W.",
             mean="mean", fitted=True, brief="alpha-hat"),
    Quantity("lower_exponent", "a", "1", -_INF, _INF,
             "Exponent of the eigenvalue density at zero, from the lower tail.", of_weights=False),
    Quantity("lower_xmax", "xmax", "as values", 0, _INF, "Where the lower tail ends.", of_weights=False),
    Quantity("lower_n_tail", "n_low", "1", 0, _INF, "Eigenvalues in the lower tail.", of_weights=False),
    # the HTMP law
    Quantity("kappa", "kappa", "1", 0, _INF,
             "Eigenvalue repulsion of the fitted HTMP law, near N of the eigenvalues' joint density; infinite for "
             "Marchenko-Pastur noise, small for heavy tails.",
             "kappa", mean="median", fitted=True, brief="kappa"),
    Quantity("log_kappa", "log10 kappa", "decades", -_INF, _INF,
             "Decimal logarithm of kappa: four and more for noise.", mean="mean", fitted=True),
    Quantity("kappa_stderr", "se(kappa)", "1", 0, _INF, "Standard error of kappa."),
    Quantity("kappa_low", "kappa_2.5%", "1", 0, _INF, "Lower end of the 95 % interval of kappa."),
    Quantity("kappa_high", "kappa_97.5%", "1", 0, _INF, "Upper end of the 95 % interval of kappa."),
    Quantity("htmp_kappa", "kappa_HTMP", "1", 0, _INF,
             "kappa of the fitted law: kappa itself but near N, where that is the joint density's."),
    Quantity("htmp_scale", "s_HTMP", "as values", 0, _INF, "Scale of the fitted HTMP law: its mean, of HTMP."),
    Quantity("htmp_floor", "tau", "as values", 0, _INF, "Floor below the values, taken off before the HTMP fit."),
    Quantity("kappa_bulk", "kappa_bulk", "1", 0, 1e4,
             "Repulsion of the bulk alone, the values up to the spike threshold; 10,000 stands for noise (N or more).",
             "kappa bulk", mean="median", fitted=True, brief="of the bulk"),
    Quantity("kappa_bulk_stderr", "se(kappa_bulk)", "1", 0, _INF, "Standard error of the bulk's kappa."),
    Quantity("htmp_bulk_ks", "D_HTMP,bulk", "1", 0, 1, "KS distance of the bulk to the HTMP law fitted to it."),
    Quantity("kappa_moment", "kappa_J", "1", 0, _INF, "The kappa whose law has the spectrum's J; N at most."),
    Quantity("free_energy", "F*", "nats", -_INF, _INF,
             "Bayesian free energy an eigenvalue at the best prior: (1 + log 2 pi + J)/2."),
    Quantity("log_gap", "J", "nats", 0, _INF, "Logarithm of the mean less the mean logarithm (of 1/values: kernels)."),
    Quantity("htmp_p", "p_HTMP", "1", 0, 1, "Share of spectra of the fitted law that lie further from theirs."),
    Quantity("htmp_ks", "D_HTMP", "1", 0, 1, "KS distance of the whole spectrum to the fitted HTMP law."),
    Quantity("alpha_predicted", "alpha_HTMP", "1", 1, _INF,
             "What the same estimator gives on the fitted HTMP law, above the measured xmin.",
             "predicted", mean="mean", fitted=True),
    Quantity("alpha_predicted_low", "alpha_HTMP,2.5%", "1", 1, _INF, "Alpha of 95 % of the law's spectra: lower."),
    Quantity("alpha_predicted_high", "alpha_HTMP,97.5%", "1", 1, _INF, "Alpha of 95 % of the law's spectra: upper."),
    Quantity("tail_exponent", "alpha_inf", "1", 1, _INF,
             "Asymptotic tail exponent of the fitted inverse HTMP law.", of_weights=False),
    Quantity("lambda_max_predicted", "lambda_max,HTMP", "as values", 0, _INF, "Median largest value of the law."),
    Quantity("inverse_advantage", "dlogL", "nats", -_INF, _INF,
             "Log-likelihood of inverse HTMP minus that of HTMP; positive where the inverse orientation is likelier."),
    # which law is likeliest
    Quantity("law_best", "law", "index", 0, 5,
             "Likeliest beside outliers: 0 MP, 1 HTMP, 2 inverse HTMP, 3 MP x lognormal, 4 Wachter, 5 Gamma.", "law"),
    Quantity("delta_aic", "dAIC", "1", 0, _INF,
             "AIC of HTMP (of kernels: inverse HTMP) less that of the likeliest law; 0 where it is that law itself.",
             "dAIC", mean="median", fitted=True),
    Quantity("law_ks", "D_law", "1", 0, 1, "KS distance of the whole spectrum, spikes too, to the likeliest law."),
    Quantity("population_spread", "sigma", "1", 0.02, 4,
             "Standard deviation of the log variances of the rows, by MP x lognormal: correlated data spread it."),
    # the Marchenko-Pastur bulk
    Quantity("bulk_scale", "s", "as values", 0, _INF, "Mean of the Marchenko-Pastur bulk (variance of the entries)."),
    Quantity("bulk_edge", "lambda_+", "as values", 0, _INF, "Upper edge of the Marchenko-Pastur bulk."),
    Quantity("bulk_ks", "D_MP", "1", 0, 1, "KS distance of the bulk to the Marchenko-Pastur law."),
    Quantity("bulk_p", "p_MP", "1", 0, 1, "Share of pure-noise matrices of this shape that fit worse."),
    Quantity("spikes", "k", "1", 0, _INF,
             "Eigenvalues beyond the Tracy-Widom threshold of the bulk.", "spikes", mean="sum", brief="spikes"),
    # near zero, for kernels
    Quantity("inverse_gamma_shape", "shape", "1", 0, _INF,
             "Shape of the inverse Gamma law fitted near zero.", of_weights=False),
    Quantity("inverse_gamma_ks", "D_IG", "1", 0, 1,
             "KS distance of the lowest eigenvalues to that law.", of_weights=False),
    Quantity("inverse_gamma_scale", "b", "as values", 0, _INF, "Scale of that law.", of_weights=False),
    Quantity("inverse_gamma_end", "x_IG", "as values", 0, _INF,
             "End of the lowest fifth of the values, to which that law is fitted.", of_weights=False),
    Quantity("inverse_gamma_height", "f_IG", "1/values", 0, _INF,
             "Density that the law has at that end, with the mass of that fifth below it.", of_weights=False),
    # curvature
    Quantity("outliers", "k_out", "1", 0, _INF,
             "Eigenvalues known one by one, beyond a quadrature rule's other nodes.", of_weights=False),
    # local repulsion and phase
    Quantity("gap_ratio", "<r>", "1", 0, 1,
             "Mean ratio of neighbouring gaps: 0.5307 (GOE) to 0.3863 (Poisson)."),
    Quantity("gap_ratio_stderr", "se(<r>)", "1", 0, _INF, "Standard error of the gap ratio."),
    Quantity("gap_ratio_predicted", "<r>_kappa", "1", 0, 1, "Gap ratio of eigenvalues with repulsion kappa/N."),
    Quantity("gap_ratio_z", "z_kappa", "1", -_INF, _INF, "Gap ratio less the predicted one, in standard errors."),
    Quantity("gap_ratio_z_goe", "z_GOE", "1", -_INF, _INF, "Gap ratio less 0.5307 (full), in standard errors."),
    Quantity("phase", "phase", "index", 0, 5,
             "0 random-like, 1 bleeding-out, 2 bulk+spikes, 3 bulk-decay, 4 heavy-tailed, 5 rank-collapse.", "verdict"),
    Quantity("phase_margin", "m", "1", 0, 1,
             "How far the nearest number that decided the phase is from its threshold; near 0 it is a close call."),
    Quantity("near_zero", "f_near", "1", 0, 1, "Share of eigenvalues near zero beyond what noise of this shape has."),
    # companions measured with a spectrum
    Quantity("step_length", "|dtheta|", "as weights", 0, _INF, "Length of the last optimizer step.", of_weights=False),
    Quantity("autocorrelation", "rho_1", "1", -1, 1,
             "Of neighbouring steps, after a running median; 0 if independent.", of_weights=False),
    Quantity("drift", "max/min", "1", 1, _INF,
             "Largest over smallest running median of a series: its envelope.", of_weights=False),
    Quantity("noise_tail_index", "alpha_S", "1", 0, 2,
             "Stable-law index of gradient noise; 2 is Gaussian.", of_weights=False),
    Quantity("noise_scale", "B_noise", "batches", 0, _INF,
             "Gradient-noise scale tr(Sigma)/|G|^2 over the batch size.", of_weights=False),
    Quantity("entropy_deficit", "dH", "nats", -_INF, _INF,
             "Haar entropy minus the mean entropy of singular vectors.", mean="mean", of_weights=False),
    # causes: data correlation, temperature, eigenvector entropy
    Quantity("samples", "n", "1", 0, _INF,
             "Samples (rows) behind a covariance; it sees at most n - 1 directions.", of_weights=False),
    Quantity("rank_exponent", "a", "1", -_INF, _INF,
             "Exponent of the eigenvalues by rank, lambda_i ~ i^-a.", of_weights=False),
    Quantity("rank_exponent_stderr", "se(a)", "1", 0, _INF, "Standard error of that exponent.", of_weights=False),
    Quantity("alpha_of_ranks", "1 + 1/a", "1", 1, _INF,
             "Density exponent that the ranks imply, beside alpha.", of_weights=False),
    Quantity("distance", "|W-W0|/|W0|", "1", 0, _INF,
             "How far the weights are from where the run began.", mean="mean", of_weights=False),
    Quantity("stability", "lr lambda_max", "1", -_INF, _INF,
             "Learning rate times sharpness; unstable beyond 2.", of_weights=False),
    Quantity("vectors", "k", "1", 0, _INF, "Singular vectors in each group of 5 %.", of_weights=False),
    Quantity("overlap_last", "|U^T U'|^2/k", "1", 0, 1,
             "Overlap of the top singular vectors with the last ones.", of_weights=False),
    Quantity("overlap_start", "|U^T U0|^2/k", "1", 0, 1,
             "Overlap of the top singular vectors with the start's.", of_weights=False),
    *(
        Quantity(f"entropy_{side}_{part}{end}", f"{symbol}_{side},{part}", unit, -_INF, _INF,
                 f"{meaning} of the {side} singular vectors, {part} 5 %.", of_weights=False)
        for side in ("left", "right")
        for part in ("top", "middle", "bottom")
        for end, symbol, unit, meaning in (
            ("", "dH", "nats", "Entropy deficit"),
            ("_z", "z", "1", "Entropy deficit, in standard errors of random vectors,"),
        )
    ),
    # what a kernel says about learning; errors are shares of the targets' variance, meant for held-out probe batches
    *(
        Quantity(f"{which}_error_{part}", f"E_{which}", "1", 0, _INF,
                 f"{which.capitalize()} test error of kernel regression trained on a {part} of the probe batch.",
                 of_weights=False)
        for which in ("predicted", "measured")
        for part in ("quarter", "half")
    ),
    Quantity("measured_error_half_stderr", "se(E)", "1", 0, _INF,
             "Standard error of the measured error, over splits.", of_weights=False),
    Quantity("learning_slope", "-dlogE/dlogn", "1", -_INF, _INF,
             "Exponent of the predicted learning curve there.", of_weights=False),
    Quantity("target_exponent", "b", "1", -_INF, _INF,
             "Exponent of the targets' power in the kernel's modes, i^-b.", of_weights=False),
    Quantity("learning_exponent", "min(b-1, 2a)", "1", -_INF, _INF,
             "Exponent of the learning curve far out.", of_weights=False),
    Quantity("learning_exponent_stderr", "se", "1", 0, _INF, "Standard error of that exponent.", of_weights=False),
    Quantity("target_alignment", "A", "1", -1, 1,
             "Cosine between the centred kernel and the targets' Gram matrix.", of_weights=False),
    Quantity("sketch_error", "|dK|/|K|", "1", 0, _INF,
             "Relative Frobenius error of a projected kernel, estimated.", of_weights=False),
)
# fmt: on

QUANTITIES: dict[str, Quantity] = {row.name: row for row in _ROWS}


def declare(quantities: Iterable[Quantity]) -> None:
    """Add rows that a probe brings. Raises InputError where another row has the name and says something else."""
    for row in quantities:
        known = QUANTITIES.setdefault(row.name, row)
        if known != row:
            raise InputError(
                f"quantity {row.name!r} is in the table already, as {known.meaning!r}; give it another name"
            )


def declare_stored(contents: Iterable[Mapping[str, Any]]) -> None:
    """Rows that a stored run brought: known from now on unless this process says something else of the name."""
    for content in contents:
        with contextlib.suppress(InputError, TypeError, AttributeError):  # of a later version: its numbers are left out
            row = Quantity.of_content(content)
            QUANTITIES.setdefault(row.name, row)


def declared() -> tuple[Quantity, ...]:
    """The rows that probes brought, in the order in which they came."""
    own = {row.name for row in _ROWS}
    return tuple(row for row in QUANTITIES.values() if row.name not in own)


def quantity(name: str) -> Quantity:
    """The row of that name. Raises KeyError for a number that is not in the table: `declare` it first."""
    return QUANTITIES[name]


def tag(kind: str, name: str, layer: str) -> str:
    """The TensorBoard tag of one number.

    >>> tag("weights", "alpha", "fc1.weight")
    'weights_alpha/fc1.weight'
    """
    return f"{kind}_{quantity(name).name}/{layer}"
