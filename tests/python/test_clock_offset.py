"""The estimate of the offset between two machines' clocks."""

import random
import unittest

from telebridge._clock_offset import ClockOffset

MS = 1_000_000


class Offset(unittest.TestCase):
    def test_unknown_before_the_first_answer(self) -> None:
        self.assertIsNone(ClockOffset().offset_ns)

    def test_a_way_as_long_there_as_back_is_exact(self) -> None:
        clock = ClockOffset()
        clock.add(1_000 * MS, 5_003 * MS, 5_004 * MS, 1_007 * MS)
        self.assertEqual(clock.offset_ns, 4_000 * MS)

    def test_the_error_is_at_most_half_of_the_shortest_way(self) -> None:
        seed = random.randrange(2**32)
        generator = random.Random(seed)
        offset_ns, now_ns, delays = -86_400_000 * MS, 10_000 * MS, []
        clock = ClockOffset()
        for _ in range(8):
            there, work, back = (generator.randrange(1, 40 * MS) for _ in range(3))
            clock.add(now_ns, now_ns + there + offset_ns, now_ns + there + work + offset_ns, now_ns + there + work + back)
            delays.append(there + back)
            now_ns += 1_000 * MS
        assert clock.offset_ns is not None
        self.assertLessEqual(abs(clock.offset_ns - offset_ns), min(delays) // 2 + 1, f"seed {seed}")

    def test_old_answers_count_no_more(self) -> None:
        clock = ClockOffset()
        clock.add(0, 0, 0, 0)
        for _ in range(8):
            clock.add(0, 10 * MS, 10 * MS, 2 * MS)
        self.assertEqual(clock.offset_ns, 9 * MS)


if __name__ == "__main__":
    unittest.main()
