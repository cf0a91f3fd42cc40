"""Puts the C library and the protocol's descriptors into the wheel, and names the wheel after the machine it is for.

Everything else is in pyproject.toml. The library is built by native/Makefile, the descriptors by tools/protos.ts;
TELEBRIDGE_LIBRARY and TELEBRIDGE_DESCRIPTORS name others.
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
DESCRIPTORS = pathlib.Path(
    os.environ.get("TELEBRIDGE_DESCRIPTORS", HERE.parent.parent / "dist/telebridge.binpb")
)


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        for file, target in ((LIBRARY, "make -C native"), (DESCRIPTORS, "make protos")):
            if not file.exists():
                raise SystemExit(f"telebridge: {file} is missing; build it first: {target}")
        package = pathlib.Path(self.build_lib) / "telebridge"
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy2(LIBRARY, package / "libtelebridge.so")
        shutil.copy2(DESCRIPTORS, package / "telebridge.binpb")


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
