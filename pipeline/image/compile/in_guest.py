"""Compiles to byte code what the guest loads when it starts; the guest's interpreter runs this.

It is run twice, in fresh processes: ``list`` imports the guest's program and names the files that
were loaded, ``compile`` compiles those. So nothing of what was loaded is in what comes out.
Source: PEP 552; ``py_compile``.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["main"]

_BUILD = Path("/build")
_LIST = _BUILD / "modules.txt"
_OUT = _BUILD / "out"
_PROGRAM = "pipeline.node.guest"
_CODE = "/usr/lib/cvm"
_PACKAGES = "/usr/lib/cvm/packages"


def main() -> None:
    """Do the one or the other."""
    {"list": _list, "compile": _compile}[sys.argv[1]]()


def _list() -> None:
    import importlib  # noqa: PLC0415 - ``compile`` does not load it before it compiles

    sys.path.insert(0, _CODE)
    sys.path.append(_PACKAGES)
    importlib.import_module(_PROGRAM)
    files = {getattr(module, "__file__", None) or "" for module in sys.modules.values()}
    loaded = sorted(name for name in files if name.startswith("/usr/") and name.endswith(".py"))
    _LIST.write_text("".join(f"{name}\n" for name in loaded), "ascii")


def _compile() -> None:
    import py_compile  # noqa: PLC0415 - see above
    from importlib.util import cache_from_source  # noqa: PLC0415

    # The image is measured as a whole: nothing is gained by looking into the source at each start.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for name in _LIST.read_text("ascii").splitlines():
        out = str(_OUT) + cache_from_source(name)
        py_compile.compile(name, cfile=out, dfile=name, doraise=True, invalidation_mode=mode)


if __name__ == "__main__":
    main()
