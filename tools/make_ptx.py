"""Compiles native/agent/cuda_kernels.cu to PTX and writes it as native/agent/cuda_kernels_ptx.h: `make -C native ptx`.

Takes neither a GPU nor CUDA: NVIDIA's compiler for run time (NVRTC) and its assembler come from PyPI, 50 MB, into a
directory that is removed again. The assembler checks that every GPU from Maxwell to Hopper takes the result.
"""

import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile

AGENT = pathlib.Path(__file__).resolve().parents[1] / "native/agent"
COMPILER = "nvidia-cuda-nvrtc-cu11==11.7.99"
ASSEMBLER = "nvidia-cuda-nvcc-cu12==12.4.131"
# Maxwell is the oldest with a current driver. PTX 7.0 is CUDA 11.0's: any driver that has NVENC 11.1 takes it. The
# compiler writes its own, newer version; the assembler says whether anything in the text needs that.
TARGET, PTX_VERSION = "compute_50", "7.0"
GPUS = ["sm_50", "sm_61", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90"]


def compile_ptx(packages: pathlib.Path, source: pathlib.Path) -> str:
    libraries = packages / "nvidia/cuda_nvrtc/lib"
    ctypes.CDLL(str(next(libraries.glob("libnvrtc-builtins.so*"))), ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(str(next(libraries.glob("libnvrtc.so*"))))
    header = source.with_suffix(".h")
    program = ctypes.c_void_p()
    created = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program),
        source.read_bytes(),
        source.name.encode(),
        1,
        (ctypes.c_char_p * 1)(header.read_bytes()),
        (ctypes.c_char_p * 1)(header.name.encode()),
    )
    options = [f"--gpu-architecture={TARGET}".encode(), b"--std=c++11"]
    result = created or nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    if result != 0:
        raise SystemExit(text_of(nvrtc, program, "nvrtcGetProgramLog") or f"NVRTC: error {result}")
    return text_of(nvrtc, program, "nvrtcGetPTX")


def text_of(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, function: str) -> str:
    size = ctypes.c_size_t()
    if getattr(nvrtc, f"{function}Size")(program, ctypes.byref(size)) != 0:
        return ""
    text = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, function)(program, text)
    return text.value.decode()


def without_comments(ptx: str) -> str:
    ptx = re.sub(r"//.*", "", ptx)
    return re.sub(r"\n\s*\n+", "\n", ptx).replace("\t", " ").strip() + "\n"


def assemble(packages: pathlib.Path, ptx: str) -> None:
    assembler = packages / "nvidia/cuda_nvcc/bin/ptxas"
    assembler.chmod(0o755)
    text = packages / "kernels.ptx"
    text.write_text(ptx)
    for gpu in GPUS:
        subprocess.run([assembler, f"--gpu-name={gpu}", "--output-file=/dev/null", text], check=True)


def main() -> None:
    source = AGENT / "cuda_kernels.cu"
    with tempfile.TemporaryDirectory() as directory:
        packages = pathlib.Path(directory)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--root-user-action=ignore", f"--target={directory}", COMPILER, ASSEMBLER], check=True)
        ptx = re.sub(r"\.version \S+", f".version {PTX_VERSION}", without_comments(compile_ptx(packages, source)))
        assemble(packages, ptx)
    lines = "\n".join(f'  "{line}\\n"' for line in ptx.splitlines())
    (AGENT / "cuda_kernels_ptx.h").write_text(
        f"/* Made from {source.name} by tools/make_ptx.py (make -C native ptx); not to be edited. */\n"
        "/* clang-format off */\n"
        f"static const char cuda_kernels_ptx[] =\n{lines};\n"
        "/* clang-format on */\n"
    )


if __name__ == "__main__":
    main()
