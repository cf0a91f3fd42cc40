/* NVIDIA's encoder. */
#include <errno.h>
#include <stdio.h>

#include "encoder.h"
#include "error.h"

static int probe(char *detail, size_t detail_bytes) {
  snprintf(detail, detail_bytes, "not in this build");
  return -ENOTSUP;
}

static int open_encoder(const encoder_config *config, encoder **made) {
  (void)config, (void)made;
  return error_set(ENOTSUP, "cannot open NVENC: not in this build");
}

const encoder_backend encoder_nvenc = {
    .kind = TELE_ENCODER_NVENC, .name = "nvenc", .probe = probe, .open = open_encoder};
