"""The options that all examples take."""

import argparse
import signal

import numpy as np


def until_ctrl_c(main):
    """Runs an example; Ctrl-C is its usual end, and no error."""
    try:
        main()
    except KeyboardInterrupt:
        pass


def parse(description, **defaults):
    """Options of the command line; `defaults` are the example's own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=defaults["run"], metavar="ID", help="the run's name (%(default)s)")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="end after so many steps (0: no end)")
    parser.add_argument("--fps", type=float, default=defaults["fps"], metavar="N",
                        help="pictures per second; 0: one for each step, as fast as it goes (%(default)g)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of everything random (%(default)s)")
    parser.add_argument("--hold", action="store_true", help="keep the last picture up until Ctrl-C")
    parser.add_argument("--save-frame", metavar="FILE.ppm", help="also save the last picture, as PPM")
    options = parser.parse_args()
    options.steps = options.steps or 10**18
    return options


def finish(options, picture):
    """What is left to do after the last step: save the picture, and wait when asked to."""
    if options.save_frame:
        height, width, _ = picture.shape
        with open(options.save_frame, "wb") as file:
            file.write(b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(picture).tobytes())
    if options.hold:
        print("holding the last picture; Ctrl-C ends it", flush=True)
        signal.pause()
