"""Puts the C library into the wheel, and names the wheel after the machine it is for.

Everything else is in pyproject.toml. The library is built by native/Makefile; TELEBRIDGE_LIBRARY names another one.
"""

import os
import pathlib
import shutil

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(
    os.environ.get("TELEBRIDGE_LIBRARY", HERE.parent.parent / "native/build/libtelebridge.so")
)


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        if not LIBRARY.exists():
            raise SystemExit(f"telebridge: {LIBRARY} is missing; build it first: make -C native")
        package = pathlib.Path(self.build_lib) / "telebridge"
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy2(LIBRARY, package / "libtelebridge.so")


class DistributionWithLibrary(Distribution):
    def has_ext_modules(self):
        return True  # machine code: the wheel is for one platform, and unpacks beside other such packages


class WheelOfThisMachine(bdist_wheel):
    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform  # ctypes: any Python 3 will do


setup(
    distclass=DistributionWithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelOfThisMachine},
)
