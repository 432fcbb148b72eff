"""The views of the Spectra page: plain ES modules that draw, and what they are told in words. They compute no fit."""

from htmu_diag.ui.files import MODULES, read_static, static_folder, static_version
from htmu_diag.ui.wire import framed
from htmu_diag.ui.words import words

__all__ = ["MODULES", "framed", "read_static", "static_folder", "static_version", "words"]
