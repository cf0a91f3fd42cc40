"""telebridge: publish what a trainer or simulator sees and measures, and watch it live in a browser.

    import telebridge
    run = telebridge.init("my-run")
    run.frame(rgb, reward=reward, episode=episode)    # uint8, (height, width, 3)

Pictures go through shared memory, at the cost of one copy; ``telebridge serve`` on the same machine shows them.
For Gymnasium: ``env = telebridge.wrap(env)``.
"""

from . import inputs
from ._library import RunExistsError, TelebridgeError
from ._mosaic import tile
from ._run import Run, init
from ._wrap import wrap

__all__ = ["Run", "RunExistsError", "TelebridgeError", "init", "inputs", "tile", "wrap"]
__version__ = "0.1.0"
