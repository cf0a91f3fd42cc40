"""Tensors of other libraries: those in the CPU's memory arrive byte for byte, those on a GPU as H.264."""

import os
import unittest

import numpy as np
import telebridge
from helpers import ROOT, RunTest
from native import Reader

DOUBLE = ROOT / "native/build/nvenc_double"
WORKER = ROOT / "native/build/worker/libtelebridge.so"
NOISE = np.random.default_rng(6).integers(0, 256, (36, 64, 4), dtype=np.uint8)


class Tensor:
    """Tells by DLPack where its pixels are, as every library's tensors do, and is none of numpy's arrays."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __dlpack_device__(self) -> tuple:
        return self.pixels.__dlpack_device__()

    def __dlpack__(self, **options: object) -> object:
        return self.pixels.__dlpack__(**options)


class Elsewhere(Tensor):
    def __dlpack_device__(self) -> tuple:
        return (10, 0)  # kDLROCM


class Withheld(Tensor):
    def __dlpack__(self, **_: object) -> object:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")


class CpuTensors(RunTest):
    def test_every_kind_arrives_byte_for_byte(self) -> None:
        pictures = {"rgba": NOISE, "rgb": NOISE[:, :, :3].copy(), "gray": NOISE[:, :, 0].copy(), "padded": NOISE[:, :50]}
        for name, pixels in pictures.items():
            with self.subTest(name), telebridge.init(f"{self.run_id}-{name}") as run:
                self.assertTrue(run.frame(Tensor(pixels)))
                with Reader(run.id) as reader:
                    np.testing.assert_array_equal(reader.newest().picture(), pixels)

    def test_others_are_refused_and_told_why(self) -> None:
        with telebridge.init(self.run_id) as run:
            for picture, message in [
                (Tensor(NOISE.astype(np.float32)), r"float32; expected a numpy uint8 array.*clip\(0, 255\)"),
                (Elsewhere(NOISE), "on a device of DLPack's type 10; expected the CPU's or CUDA's"),
                (Withheld(NOISE), "not handed out: .*use tensor.detach"),
            ]:
                with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                    run.frame(picture)


class CudaTensors(RunTest):
    """In child processes, with the double of NVIDIA's driver on the library path."""

    def expect_output(self, code: str, *lines: str, **variables: str) -> None:
        environment = {"LD_LIBRARY_PATH": str(DOUBLE), **variables}
        prelude = (
            "import sys, time, numpy as np, telebridge\n"
            "from cuda_double import CUDA, CudaTensorDouble, Device\n"
            "from native import READ_NEXT, Reader, luma_range\n"
            "run_id = sys.argv[1]\n"
        )
        child = self.start_python_with(prelude + code, self.run_id, env={**os.environ, **environment})
        output, _ = child.communicate(timeout=60)
        self.assertEqual(output.splitlines(), list(lines))
        self.assertEqual(child.returncode, 0)

    SHOW = """if True:
        device = Device()
        run = telebridge.init(run_id)
        for number, (shape, value) in enumerate([((36, 64, 4), 60), ((36, 64, 3), 120), ((36, 64), 180)]):
            tensor = CudaTensorDouble(device, np.full(shape, value, np.uint8))
            assert run.frame(tensor, step=number, reward=0.5, episode=7)
            with Reader(run_id) as reader:
                while (found := reader.read(number, READ_NEXT)) is None:
                    time.sleep(0.002)
                header = found.header
                print(header.format, header.width, header.height, header.step, header.reward, header.episode)
                low, high = luma_range(reader)
                print("near", abs(low - value) <= 4 and abs(high - value) <= 4, tensor.streams)
            tensor.free()
        print(CudaTensorDouble.handed_out)
        run.finish()
        print(CudaTensorDouble.handed_out, run.frames_published, run.frames_lost)
        device.release()
    """
    SHOWN = [
        line
        for number in range(3)
        for line in (f"16 64 36 {number} 0.5 7", "near True [1]")
    ] + ["2", "0 3 0"]

    def test_they_arrive_through_the_gpus_encoder(self) -> None:
        self.expect_output(self.SHOW, *self.SHOWN)

    def test_they_arrive_from_a_gpu_without_one(self) -> None:
        self.expect_output(self.SHOW, *self.SHOWN, NVENC_DOUBLE_GPUS="NVIDIA H200=none")

    def test_arrays_and_other_sizes_may_come_between(self) -> None:
        code = """if True:
            device = Device()
            with telebridge.init(run_id) as run:
                for picture in [
                    np.zeros((36, 64), np.uint8),
                    CudaTensorDouble(device, np.zeros((36, 64), np.uint8)),
                    CudaTensorDouble(device, np.zeros((18, 34, 3), np.uint8)),
                    np.zeros((18, 32, 3), np.uint8),
                ]:
                    print(run.frame(picture))
                    with Reader(run_id) as reader:
                        while (found := reader.read()) is None:
                            time.sleep(0.002)
                        print(found.header.format, found.header.width)
                    if isinstance(picture, CudaTensorDouble):
                        picture.free()
            device.release()
        """
        self.expect_output(code, "True", "4 64", "True", "16 64", "True", "16 34", "True", "1 32")

    def test_what_is_no_picture_is_refused(self) -> None:
        code = """if True:
            device = Device()
            run = telebridge.init(run_id)
            pixels = np.zeros((36, 64, 4), np.uint8)
            floats = CudaTensorDouble(device, pixels, code=2, bits=32)
            first = CudaTensorDouble(device, np.zeros((3, 36, 64), np.uint8))
            turned = CudaTensorDouble(device, pixels)
            turned.strides = lambda: (4, 36 * 4, 1)
            good = CudaTensorDouble(device, pixels)
            for picture, overlay in [(floats, None), (first, None), (turned, None), (good, pixels[:, :, 0])]:
                try:
                    run.frame(picture, overlay=overlay)
                except ValueError as error:
                    print(error)
                picture.free()
            try:
                run.frame(good, stream=-1)
            except ValueError as error:
                print(error)
            good.address = 4096
            try:
                run.frame(good)
            except telebridge.TelebridgeError as error:
                print(error)
            run.finish()
            device.release()
        """
        expected = "expected uint8 of shape (height, width, 3) RGB, (height, width, 4) RGBA or (height, width) gray"
        self.expect_output(
            code,
            f"the picture is a CUDA tensor of shape (36, 64, 4) and float32; {expected}; for values from 0 to 1: "
            "(255 * picture).clamp(0, 255).to(torch.uint8)",
            f"the picture is a CUDA tensor of shape (3, 36, 64) and uint8; {expected}; for channels first: "
            "picture.permute(1, 2, 0).contiguous()",
            "the picture is a CUDA tensor of shape (36, 64, 4) and strides (4, 144, 1), whose pixels do not follow one "
            "another; try picture.contiguous()",
            "a picture on a GPU takes no overlay; picture.cpu() does",
            "stream is -1; expected CUDA's handle, such as torch.cuda.current_stream().cuda_stream",
            "NVENC double: the pixels at 0x1000 are not in CUDA's memory",
        )

    def test_a_gpu_that_fails_costs_pictures_and_no_training(self) -> None:
        code = """if True:
            import ctypes, warnings
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_: print(message)
            device = Device()
            run = telebridge.init(run_id)
            tensor = CudaTensorDouble(device, np.zeros((36, 64), np.uint8))
            print(run.frame(tensor))
            ctypes.CDLL(None).setenv(b"NVENC_DOUBLE_FAIL", b"cuLaunchKernel 1 999", 1)
            print(run.frame(tensor), run.frame(tensor), run.frames_lost)
            time.sleep(1.1)
            print(run.frame(tensor), run.frames_published, run.frames_lost)
            run.finish()
            tensor.free()
            device.release()
        """
        self.expect_output(
            code,
            "True",
            f'run "{self.run_id}" loses pictures: NVENC double: cuLaunchKernel: CUDA_ERROR_UNKNOWN',
            "False False 2",
            "True 2 2",
        )

    def test_a_library_without_encoders_says_so(self) -> None:
        code = """if True:
            device = Device()
            tensor = CudaTensorDouble(device, np.zeros((36, 64), np.uint8))
            run = telebridge.init(run_id)
            try:
                run.frame(tensor)
            except telebridge.TelebridgeError as error:
                print(error)
            print(run.frame(np.zeros((36, 64), np.uint8)))
            run.finish()
            tensor.free()
            device.release()
        """
        self.expect_output(
            code,
            f'run "{self.run_id}" cannot show a picture on a GPU: {WORKER} was built without encoders, as the source '
            "distribution's is; install a wheel, or show picture.cpu()",
            "True",
            TELEBRIDGE_LIBRARY=str(WORKER),
        )


if __name__ == "__main__":
    unittest.main()
