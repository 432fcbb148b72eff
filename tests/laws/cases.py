"""Every law once or more, for the tests that all of them share."""

from htmu_diag.laws import (
    HTMP,
    ContinuousLaw,
    Exponential,
    InverseGamma,
    InverseHTMP,
    Lognormal,
    MarchenkoPastur,
    PowerLaw,
    StretchedExponential,
    TracyWidom,
    TruncatedPowerLaw,
)

LAWS: list[ContinuousLaw] = [
    MarchenkoPastur(0.25),
    MarchenkoPastur(1.0, 3.0),
    MarchenkoPastur(1e-4),
    MarchenkoPastur(4.0, 2.0),
    HTMP(0.25, 4.0),
    HTMP(0.5, 50.0, 7.0),
    HTMP(1.0, 3.0),
    HTMP(0.01, 1e4),
    HTMP(0.5, 2.0),  # a = 0, an integer
    InverseHTMP(0.25, 4.0),
    InverseHTMP(0.5, 0.7, 3.0),
    InverseGamma(2.5, 0.3),
    TracyWidom(1),
    TracyWidom(2),
    TracyWidom(4),
    PowerLaw(2.5, 0.1),
    TruncatedPowerLaw(2.0, 0.3, 0.5),
    TruncatedPowerLaw(-0.5, 3.0, 2.0),
    Lognormal(0.3, 1.2),
    Lognormal(-3.0, 1.5, 2.0),
    Exponential(2.0, 1.0),
    StretchedExponential(0.5, 0.6),
    StretchedExponential(2.0, 0.4, 3.0),
]

SCALED = {  # a law -> the same law of three times the variable
    MarchenkoPastur(0.3): MarchenkoPastur(0.3, 3.0),
    HTMP(0.3, 5.0): HTMP(0.3, 5.0, 3.0),
    InverseHTMP(0.3, 5.0): InverseHTMP(0.3, 5.0, 3.0),
    InverseGamma(1.5): InverseGamma(1.5, 3.0),
    PowerLaw(2.2): PowerLaw(2.2, 3.0),
    TruncatedPowerLaw(1.5, 0.9): TruncatedPowerLaw(1.5, 0.3, 3.0),
    Exponential(1.5, 1.0): Exponential(0.5, 3.0),
    StretchedExponential(1.5, 0.7, 1.0): StretchedExponential(0.5, 0.7, 3.0),
}
