"""The structs of the Python client, and of its tests, are those of the C library."""

import ctypes
import unittest

from native import HubEvent, InputRecord, SlotHeader, layout
from telebridge import _library, _reading


class Layout(unittest.TestCase):
    def test_sizes_and_offsets(self) -> None:
        structs = {
            "tele_producer_options": _library.ProducerOptions,
            "tele_frame": _library.Frame,
            "tele_cuda_options": _library.CudaOptions,
            "tele_cuda_frame": _library.CudaFrame,
            "tele_hud": _library.Hud,
            "tele_controls": _library.Controls,
            "tele_input": InputRecord,
            "tele_status": _library.Status,
            "tele_slot_header": SlotHeader,
            "tele_hub_event": HubEvent,
            "tele_stream_settings": _reading.StreamSettings,
        }
        the_senders = {"tele_slot_header": _reading.SlotHeader, "tele_hub_event": _reading.HubEvent}
        native = layout()["structs"]
        for name, struct in [*structs.items(), *the_senders.items()]:
            with self.subTest(name):
                described = [getattr(struct, field) for field, *_ in struct._fields_]
                fields = {
                    field: {"offset": place.offset, "bytes": place.size}
                    for (field, *_), place in zip(struct._fields_, described)
                    if field != "reserved"
                }
                self.assertEqual(ctypes.sizeof(struct), native[name]["bytes"])
                self.assertEqual(fields, native[name]["fields"])


if __name__ == "__main__":
    unittest.main()
