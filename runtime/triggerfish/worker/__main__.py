"""Started in the app's folder as ``<interpreter> -P <this folder> <descriptor>``.

Python puts a folder that it runs on the path, where its modules would hide the user's
modules of the same names. So the folder is taken off again, and loaded as one package
under a name that no app has.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "triggerfish_worker"


def _load_package() -> None:
    folder = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(folder)
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def _module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def _check_library(library: Any) -> None:
    if not hasattr(library, "FunctionRegister"):
        version = getattr(library, "__version__", "")
        raise ImportError(f"azure-functions {version} is too old: 1.13 is the oldest that works")


def _serve(descriptor: int) -> None:
    link = _module("link").Link(descriptor)
    try:
        _check_library(importlib.import_module("azure.functions"))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        no_library = _module("frames").NO_LIBRARY
        link.send([no_library, {"python": sys.version.split()[0], "reason": reason}])
        link.finish()
        return
    _module("main").main(link)


if __name__ == "__main__":
    _load_package()
    _module("paths").add_packages(str(Path.cwd()))  # azure.functions itself may lie there
    _serve(int(sys.argv.pop()))
