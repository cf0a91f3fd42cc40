#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"

#define LOG_INTERVAL_NS (10 * NS_PER_S)

static void say_left_out(const report_counts *counts, const report_counts *since) {
  const uint64_t skipped = counts->skipped - since->skipped, dropped = counts->dropped - since->dropped;
  const uint64_t due = counts->pictures - since->pictures + skipped + dropped;
  if (skipped > 0) {
    fprintf(stderr, AGENT_NAME ": skipped %" PRIu64 " of %" PRIu64 " pictures, since there was no time for them\n",
            skipped, due);
  }
  if (dropped > 0) {
    fprintf(stderr, AGENT_NAME ": dropped %" PRIu64 " of %" PRIu64 " pictures, since the reader is slow\n", dropped,
            due);
  }
}

static void say_numbers(const report_counts *counts, const report_counts *since, double seconds) {
  const uint64_t pictures = counts->pictures - since->pictures;
  const double each_ms = pictures > 0 ? 1e-6 / (double)pictures : 0;
  fprintf(stderr, AGENT_NAME ": %.1f pictures/s, %.0f kbit/s, %.2f ms to render and %.2f ms to encode each\n",
          (double)pictures / seconds, (double)(counts->bytes - since->bytes) * 0.008 / seconds,
          (double)(counts->render_ns - since->render_ns) * each_ms,
          (double)(counts->encode_ns - since->encode_ns) * each_ms);
}

void report_turn(report *report, const report_counts *counts, output *output, uint64_t now_ns) {
  if (now_ns - report->shown_ns >= NS_PER_S) {
    const double seconds = (double)(now_ns - report->shown_ns) / 1e9;
    const double fps = (double)(counts->pictures - report->shown.pictures) / seconds;
    if (output->kind->show_rate != NULL) output->kind->show_rate(output, counts->pictures, fps);
    report->shown_ns = now_ns;
    report->shown = *counts;
  }
  if (now_ns - report->logged_ns >= LOG_INTERVAL_NS) {
    say_left_out(counts, &report->logged);
    if (report->verbose) say_numbers(counts, &report->logged, (double)(now_ns - report->logged_ns) / 1e9);
    report->logged_ns = now_ns;
    report->logged = *counts;
  }
}

void report_end(const report_counts *counts) {
  fprintf(stderr, AGENT_NAME ": ended after %" PRIu64 " pictures, %" PRIu64 " skipped and %" PRIu64 " dropped\n",
          counts->pictures, counts->skipped, counts->dropped);
}
