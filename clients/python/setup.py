"""Puts the C library and the protocol's descriptors into the package, and names the wheel after what they need.

Everything else is in pyproject.toml. TELEBRIDGE_LIBRARY names a library that was built already. Else, in the source
distribution, the library is built from `native/`, without codecs; in a clone it is what `make build` left there.
"""

import os
import pathlib
import re
import shutil
import subprocess

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70.1
    from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "native"
CLONE = HERE.parent.parent
# What every Linux with glibc has: the part of the manylinux policies (PEP 600) that could matter here.
SYSTEM_LIBRARIES = re.compile(r"(libc|libm|libpthread|libdl|librt|ld-linux-\S*)\.so\.\d+")


def found(path, target):
    if not path.exists():
        raise SystemExit(f"telebridge: {path} is missing; build it first: make {target}")
    return path


def built_from_source(build):
    for tool in ("make", os.environ.get("CC", "gcc")):
        if shutil.which(tool.split()[0]) is None:
            raise SystemExit(
                f"telebridge: building from source takes make and a C compiler, and there is no {tool} here: "
                "install them (CC names another compiler than gcc), or install a wheel"
            )
    # Without -Werror's warnings: other compilers than ours have others.
    command = ["make", "--silent", "-C", SOURCES, f"BUILD={build.resolve()}", "WARNINGS=", "CFLAGS=-O2", "worker"]
    subprocess.run([*command, f"-j{os.cpu_count() or 1}"], check=True)
    return build / "worker/libtelebridge.so"


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        package = pathlib.Path(self.build_lib) / "telebridge"
        if "TELEBRIDGE_LIBRARY" in os.environ:
            library = found(pathlib.Path(os.environ["TELEBRIDGE_LIBRARY"]), "native")
        elif SOURCES.exists():
            library = built_from_source(pathlib.Path(self.get_finalized_command("build").build_temp))
        else:
            library = found(CLONE / "native/build/libtelebridge.so", "native")
        shutil.copy2(library, package / "libtelebridge.so")
        descriptors = package / "telebridge.binpb"
        if not descriptors.exists():
            shutil.copy2(found(CLONE / "dist/telebridge.binpb", "protos"), descriptors)


class DistributionWithLibrary(Distribution):
    def has_ext_modules(self):
        return True  # machine code: the wheel is for one platform, and unpacks beside other such packages


class WheelOfThisMachine(bdist_wheel):
    def get_tag(self):
        _, _, platform = super().get_tag()
        library = pathlib.Path(self.get_finalized_command("build_py").build_lib) / "telebridge/libtelebridge.so"
        return "py3", "none", platform_of(library, platform)  # ctypes: any Python 3 will do


def platform_of(library, platform):
    """`manylinux_2_35_x86_64` where the library takes nothing but glibc, no newer than 2.35; else `platform` as it is.

    PEP 600: that tag promises that the library works with this glibc and all newer ones.
    """
    if shutil.which("readelf") is None:
        return platform
    command = ["readelf", "--wide", "--dynamic", "--version-info", library]
    described = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", described.stdout)
    versions = re.findall(r"Name: GLIBC_(\d+)\.(\d+)", described.stdout)
    if not versions or not all(SYSTEM_LIBRARIES.fullmatch(name) for name in needed):
        return platform
    major, minor = max((int(major), int(minor)) for major, minor in versions)
    return re.sub("^linux_", f"manylinux_{major}_{minor}_", platform)


setup(
    distclass=DistributionWithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelOfThisMachine},
)
