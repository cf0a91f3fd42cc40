"""Mosaics: where each picture lands, and what is refused."""

import unittest

import numpy as np
import telebridge


class Tile(unittest.TestCase):
    def test_pictures_from_the_upper_left_and_black_where_there_is_none(self) -> None:
        pictures = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
        mosaic = telebridge.tile(pictures, columns=2)
        self.assertEqual(mosaic.shape, (4, 6, 3))
        self.assertEqual([mosaic[0, 0, 0], mosaic[1, 5, 1], mosaic[3, 2, 2], mosaic[2, 3, 0]], [10, 20, 30, 0])

    def test_about_as_wide_as_high(self) -> None:
        for count, shape, expected in [
            (1, (5, 5), (5, 5)),
            (4, (5, 5), (10, 10)),
            (5, (5, 5), (10, 15)),
            (8, (40, 60, 3), (120, 180, 3)),
            (3, (10, 100), (30, 100)),
        ]:
            with self.subTest(count=count, shape=shape):
                self.assertEqual(telebridge.tile(np.zeros((count,) + shape, np.uint8)).shape, expected)

    def test_shrink_takes_every_nth_pixel(self) -> None:
        picture = np.arange(35, dtype=np.uint8).reshape(5, 7)
        np.testing.assert_array_equal(telebridge.tile([picture], shrink=2), picture[::2, ::2])

    def test_out_is_filled_again(self) -> None:
        first = telebridge.tile([np.full((2, 2), 1, np.uint8)])
        self.assertIs(telebridge.tile([np.full((2, 2), 9, np.uint8)], out=first), first)
        self.assertTrue((first == 9).all())
        self.assertEqual(telebridge.tile([np.zeros((3, 3), np.uint8)], out=first).shape, (3, 3))

    def test_refusals(self) -> None:
        with self.assertRaisesRegex(ValueError, "no pictures"):
            telebridge.tile([])
        with self.assertRaisesRegex(ValueError, r"picture 1 has shape \(2, 3\), the first one \(2, 2\)"):
            telebridge.tile([np.zeros((2, 2)), np.zeros((2, 3))])
        with self.assertRaisesRegex(ValueError, r"shape \(4,\)"):
            telebridge.tile([np.zeros(4)])


if __name__ == "__main__":
    unittest.main()
