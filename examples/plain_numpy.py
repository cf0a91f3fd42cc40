"""A mouse learns its way through a maze to the cheese, by tabular Q-learning, with nothing but numpy.

The heat map over the picture is what it has learned: how good each place is. Watch the warmth creep from the cheese
back to the start, and the return, minus the number of steps, rise to -34.
"""

import time

import numpy as np

import options
import telebridge

MAZE = """
#################
#S  #     #     #
# # # ### # ### #
# #   # #   #   #
# ##### ##### ###
#   #     #     #
### # ### # ### #
#   # #   #   # #
# ### # ##### # #
#     #     #  C#
#################
"""
CELL_PIXELS = 24
WALL, FLOOR, MOUSE, CHEESE = (58, 66, 92), (18, 21, 32), (235, 240, 255), (255, 196, 61)
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
LEARNING_RATE, DISCOUNT, EXPLORATION = 1.0, 1.0, 0.01  # in a world without chance, one look is enough
EPISODE_STEPS_MAX = 500

maze = np.array([list(line) for line in MAZE.strip().splitlines()])
start, goal = (tuple(np.argwhere(maze == letter)[0]) for letter in "SC")


def disc(picture, place, radius, colour):
    """Draws a disc in the middle of a cell."""
    at = np.arange(CELL_PIXELS) - (CELL_PIXELS - 1) / 2
    inside = at[:, None] ** 2 + at**2 <= radius**2
    top, left = place[0] * CELL_PIXELS, place[1] * CELL_PIXELS
    picture[top : top + CELL_PIXELS, left : left + CELL_PIXELS][inside] = colour


def main():
    given = options.parse(__doc__, run="maze", fps=60)
    random = np.random.default_rng(given.seed)
    walls = np.where((maze == "#")[:, :, None], np.uint8(WALL), np.uint8(FLOOR))
    background = walls.repeat(CELL_PIXELS, 0).repeat(CELL_PIXELS, 1)
    disc(background, goal, 9, CHEESE)
    values = np.zeros(maze.shape + (len(MOVES),))
    episode, episode_steps, place = 1, 0, start

    run = telebridge.init(given.run)
    for step in range(1, given.steps + 1):
        explores = random.random() < EXPLORATION
        best = np.flatnonzero(values[place] == values[place].max())
        move = random.integers(len(MOVES)) if explores else random.choice(best)
        there = (place[0] + MOVES[move][0], place[1] + MOVES[move][1])
        if maze[there] == "#":
            there = place
        episode_steps += 1
        reached = there == goal
        target = -1.0 + (0.0 if reached else DISCOUNT * values[there].max())
        error = target - values[place][move]
        values[place][move] += LEARNING_RATE * error

        picture = background.copy()
        disc(picture, there, 7, MOUSE)
        heat = np.where(maze == "#", np.nan, values.max(axis=2))
        run.log({"loss": abs(error)})
        run.frame(picture, step=step, reward=-1.0, episode=episode, overlay=heat)

        place = there
        if reached or episode_steps == EPISODE_STEPS_MAX:
            episode, episode_steps, place = episode + 1, 0, start
        if given.fps:
            time.sleep(1 / given.fps)
    options.finish(given, picture)
    run.finish()


if __name__ == "__main__":
    options.until_ctrl_c(main)
