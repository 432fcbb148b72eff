"""The pure modules of the page in V8, without a browser."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from htmu_diag.ui import read_static, words

PURE = (
    "format.js",
    "colors.js",
    "laws.js",
    "fitted.js",
    "frame.js",
    "words.js",
    "state.js",
    "others.js",
    "wire.js",
    "compare.js",
)
_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


@pytest.fixture(scope="session")
def js() -> Callable[..., Any]:
    """run("name(a, b)", a=..., b=...): a JavaScript expression with JSON values in it."""
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    scripts = [f"{{{_scoped(read_static(name))}}}" for name in PURE]
    engine.eval("\n".join(scripts))
    engine.eval(f"const WORDS = {json.dumps(words())};")

    def run(expression: str, **values: Any) -> Any:
        given = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
        return json.loads(engine.eval(f"{{{given} JSON.stringify({expression})}}"))

    return run


def _scoped(module: str) -> str:
    """A module as a script: its exports become global, what it keeps to itself stays in a block."""
    names = re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", module, re.MULTILINE)
    body = _EXPORT.sub("", _IMPORT.sub("", module))
    return body + "\n" + "".join(f"globalThis.{name} = {name};" for name in names)
