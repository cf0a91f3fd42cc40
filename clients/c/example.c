/* A worker in C: a moving test pattern with numbers, a pause button and a pointer. See README.md. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <telebridge.h>

enum { WIDTH = 320, HEIGHT = 180 };

static volatile sig_atomic_t stop_wanted;

static void on_signal(int number) { (void)number, stop_wanted = 1; }

/* The place came through shared memory, where another program may have written anything; fmaxf() makes NaN 0. */
static unsigned pixel_at(float part, unsigned count) { return (unsigned)(fminf(fmaxf(part, 0), 1) * (count - 1)); }

static void draw(unsigned char pixels[HEIGHT][WIDTH][3], unsigned step, const tele_input *pointer) {
  for (unsigned y = 0; y < HEIGHT; y++) {
    for (unsigned x = 0; x < WIDTH; x++) {
      pixels[y][x][0] = (unsigned char)(x + step);
      pixels[y][x][1] = (unsigned char)(y * 255 / HEIGHT);
      pixels[y][x][2] = (unsigned char)((x ^ y) + 2 * step);
    }
  }
  const unsigned cross_x = pixel_at(pointer->x, WIDTH), cross_y = pixel_at(pointer->y, HEIGHT);
  for (unsigned y = 0; y < HEIGHT; y++) memset(pixels[y][cross_x], 255, 3);
  memset(pixels[cross_y], 255, sizeof pixels[cross_y]);
}

int main(int argc, char **argv) {
  const char *run_id = argc > 1 ? argv[1] : "c-example";
  const tele_producer_options options = {.payload_bytes_max = WIDTH * HEIGHT * 3};
  tele_producer *producer;
  if (tele_producer_open(run_id, &options, &producer) < 0) {
    fprintf(stderr, "%s: %s\n", argv[0], tele_error_message());
    return 1;
  }
  const struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);

  static unsigned char pixels[HEIGHT][WIDTH][3];
  tele_input event, pointer = {.x = 0.5f, .y = 0.5f};
  double episode_return = 0;
  for (unsigned step = 0; !stop_wanted;) {
    if (!tele_producer_gate(producer, 100)) continue; /* paused in the page: look at stop_wanted every 100 ms */
    while (tele_producer_next_input(producer, &event) == 1) {
      if (event.kind == TELE_INPUT_POINTER) pointer = event;
    }
    const double reward = sin(step++ / 60.0);
    episode_return += reward;
    draw(pixels, step, &pointer);
    const tele_frame frame = {
        .pixels = pixels, .format = TELE_FORMAT_RGB8, .width = WIDTH, .height = HEIGHT, .step = step, .reward = reward};
    const tele_hud hud = {
        .last_reward = reward, .step_rate_hz = 60, .step = step, .episode_return = episode_return, .loss = NAN};
    tele_producer_set_hud(producer, &hud);
    if (tele_producer_wants_frame(producer) && tele_producer_publish(producer, &frame) < 0) {
      fprintf(stderr, "%s: %s\n", argv[0], tele_error_message());
    }
    nanosleep(&(struct timespec){.tv_nsec = 1000000000 / 60}, NULL);
  }
  tele_producer_close(producer); /* unlinks the shared memory */
  return 0;
}
