"""Compiles the part of Triggerfish that is written in C, where there is a compiler that takes it.

Nothing but speed depends on that part, so without it the build goes on, and says so.
``HATCH_BUILD_NO_HOOKS=true`` leaves it out on purpose: such a wheel is for every platform.

Hatchling calls the hook: https://hatch.pypa.io/latest/plugins/build-hook/reference/
Setuptools knows compilers: https://setuptools.pypa.io/en/latest/userguide/ext_modules.html
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

MODULES = ("triggerfish_storage._checksums", "triggerfish_storage.protocol._heads")
LEFT_OUT = (
    "triggerfish: the compiled part was left out. Requests are read and large uploads hashed more"
    " slowly, and fewer answers tell a CRC-64; nothing else changes. The reason:"
)


class CompiledPart(BuildHookInterface):
    """Adds the modules to a wheel; those of an editable install lie beside their sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before a wheel (its ``version`` is ``standard`` or ``editable``) is written."""
        self._folder = TemporaryDirectory()
        place = "emulator" if version == "editable" else self._folder.name
        try:
            files, tag = compiled(place, objects=self._folder.name)
        except Exception as reason:  # no compiler, one that does not take it, no Python.h, ...
            self.app.display_warning(f"{LEFT_OUT} {reason}")
            return
        if version != "editable":
            build_data.update(tag=tag, pure_python=False)
            included = {file: Path(file).relative_to(place).as_posix() for file in files}
            build_data["force_include"].update(included)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clear up, once the wheel is written."""
        self._folder.cleanup()


def compiled(place: str, *, objects: str) -> tuple[list[str], str]:
    """Compile the modules below ``place``; return their files, and the tag of a wheel."""
    extensions = [
        Extension(
            module,
            [f"emulator/{module.replace('.', '/')}.c"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],  # what is built is for 3.11 and newer
            py_limited_api=True,
        )
        for module in MODULES
    ]
    commands = Distribution({"name": "triggerfish", "ext_modules": extensions})
    build = commands.get_command_obj("build_ext")
    build.build_lib, build.build_temp, build.force = place, objects, True
    build.ensure_finalized()
    files = build.get_outputs()
    for file in files:
        Path(file).unlink(missing_ok=True)  # a source that no longer compiles leaves no older one
    build.run()

    wheel = commands.get_command_obj("bdist_wheel")
    wheel.py_limited_api = "cp311"
    wheel.ensure_finalized()
    return files, "-".join(wheel.get_tag())
