"""The producer written from docs/ring.md alone, read by the C library: frames, numbers, input, pause, datagrams, life."""

import ctypes
import json
import math
import signal
import sys
import unittest

import plain_producer
from helpers import HERE, PATIENCE_S, RunTest, wait_for
from native import READ_NEXT, FLAG_PAUSED, HubEvent, InputRecord, Reader, check, controlling, exists, lib

HUB_FRAME, HUB_POLLING = 1, 6
OWNER_ALIVE, OWNER_DEAD, OWNER_CLOSED = 1, 2, 3
FLAG_OWNER_LOCK = 8


class PlainProducer(RunTest):
    def start_producer(self, *options: object):
        command = [sys.executable, "-I", HERE / "plain_producer.py", self.run_id, *options]
        child = self.start(command, stdout=-1, stderr=-1)
        self.assertEqual(child.stderr.readline(), f"publishing {self.run_id}\n")
        return child

    def end(self, child) -> None:
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual((child.returncode, errors), (0, ""))
        self.assertFalse(exists(self.run_id))

    def test_every_byte_of_every_frame(self) -> None:
        child = self.start_producer("--frames", 8, "--fps", 500, "--width", 61, "--height", 47)
        with Reader(self.run_id) as reader:
            wait_for("8 frames", lambda: reader.status().head == 8)
            for number in range(1, 9):
                frame = reader.read(number - 1, READ_NEXT)
                header = frame.header
                self.assertEqual((header.frame, header.step, header.episode, header.reward), (number, number, 1, 0.5))
                self.assertEqual((header.width, header.height, header.stride), (61, 47, 61 * 3))
                self.assertEqual(frame.picture().tobytes(), plain_producer.test_card(61, 47, number))
                self.assertEqual(frame.overlay().tobytes(), plain_producer.heat_map(8, 4, number))
            hud = reader.hud()
            self.assertEqual((hud.last_reward, hud.step, hud.episode_return), (0.5, 8, 4.0))
            self.assertTrue(math.isnan(hud.loss))
            self.assertEqual(reader.status().owner, OWNER_ALIVE)
            self.end(child)
            self.assertEqual(reader.status().owner, OWNER_CLOSED)

    def test_nothing_torn_at_full_speed(self) -> None:
        child = self.start_producer("--fps", 1e6, "--width", 64, "--height", 48)
        cards = {}
        with Reader(self.run_id) as reader:
            seen = 0
            for _ in range(300):
                frame = wait_for("a newer frame", lambda: reader.read(seen))
                seen = frame.header.frame
                blue = seen % 256
                if blue not in cards:
                    cards[blue] = plain_producer.test_card(64, 48, seen)
                self.assertEqual(frame.picture().tobytes(), cards[blue], f"frame {seen}")
        self.end(child)

    def test_datagrams_wake_the_hub(self) -> None:
        child = self.start_producer("--fps", 50)
        hub, events = ctypes.c_void_p(), (HubEvent * 16)()
        check(lib.tele_hub_create(ctypes.byref(hub)))
        self.addCleanup(lib.tele_hub_destroy, hub)
        with controlling(self.run_id) as controller:
            check(lib.tele_hub_add(hub, 7, controller.reader.handle, controller.handle))
            heads = [0]
            while len(heads) < 30:
                check(lib.tele_hub_arm(hub, 7, heads[-1], 0))
                count = check(lib.tele_hub_next(hub, int(PATIENCE_S * 1000), events, 16))
                self.assertGreater(count, 0)
                for event in events[:count]:
                    self.assertEqual((event.stream_id, event.kind), (7, HUB_FRAME), "by datagrams, not by polling")
                    self.assertGreater(event.head, heads[-1])
                    heads.append(event.head)
            self.end(child)

    def test_pause_step_and_input(self) -> None:
        child = self.start_producer("--fps", 200, "--echo")
        with controlling(self.run_id) as controller:
            reader = controller.reader
            controller.pause(True)
            wait_for("the pause", lambda: reader.status().flags & FLAG_PAUSED)
            at = reader.status().head
            controller.single_step()
            self.assertEqual(json.loads(child.stdout.readline())[:2], [5, 3])
            wait_for("one step", lambda: reader.status().head == at + 1)
            controller.send(InputRecord(kind=1, x=0.5, y=0.25, buttons=2, modifiers=1, t_ns=99))
            self.assertEqual(json.loads(child.stdout.readline()), [1, 0, 0.5, 0.25, 2, 1, 99])
            for number in range(600):  # round the ring of 256 and round again
                wait_for("room", lambda: controller.send(InputRecord(kind=3, code=number, buttons=1)) == 1)
                self.assertEqual(json.loads(child.stdout.readline())[:2], [3, number])
            self.assertEqual(reader.status().head, at + 1)
            controller.pause(False)
            wait_for("going on", lambda: reader.status().head > at + 5)
            self.assertFalse(reader.status().flags & FLAG_PAUSED)
        self.end(child)

    def test_a_locked_one_that_is_killed_is_dead_at_once(self) -> None:
        child = self.start_producer("--lock", "--frames", 1)
        with Reader(self.run_id) as reader:
            status = reader.status()
            self.assertEqual((status.owner, bool(status.flags & FLAG_OWNER_LOCK)), (OWNER_ALIVE, True))
            child.kill()
            child.wait()
            # Dead by the lock, or the segment is gone already: Python's resource tracker removes it.
            self.assertIn(reader.status().owner, (OWNER_DEAD, OWNER_CLOSED))


if __name__ == "__main__":
    unittest.main()
