/**
 * Every symbol of the native library that the server uses, with its C type. The order is telebridge.h's; the header is
 * the manual.
 */

export const symbols = {
  /** `const char *tele_version(void)` */
  tele_version: { parameters: [], result: "pointer" },
  /** `const char *tele_error_message(void)`, of the calling thread */
  tele_error_message: { parameters: [], result: "pointer" },
  /** `uint64_t tele_clock_mono_ns(void)` */
  tele_clock_mono_ns: { parameters: [], result: "u64" },
  /** `int tele_layout_json(char *buffer, size_t buffer_bytes)` */
  tele_layout_json: { parameters: ["buffer", "usize"], result: "i32" },
  /** `int tele_runtime_dir(char *buffer, size_t buffer_bytes)` */
  tele_runtime_dir: { parameters: ["buffer", "usize"], result: "i32" },

  /** `int tele_producer_open(const char *run_id, const tele_producer_options *, tele_producer **)` */
  tele_producer_open: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  /** `int tele_producer_publish(tele_producer *, const tele_frame *)` */
  tele_producer_publish: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `int tele_producer_set_hud(tele_producer *, const tele_hud *)` */
  tele_producer_set_hud: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `void tele_producer_controls(const tele_producer *, tele_controls *)` */
  tele_producer_controls: { parameters: ["pointer", "buffer"], result: "void" },
  /** `int tele_producer_gate(tele_producer *, uint32_t timeout_ms)` */
  tele_producer_gate: { parameters: ["pointer", "u32"], result: "i32" },
  /** `int tele_producer_next_input(tele_producer *, tele_input *)` */
  tele_producer_next_input: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `void tele_producer_close(tele_producer *)` */
  tele_producer_close: { parameters: ["pointer"], result: "void" },

  /** `int tele_reader_open(const char *run_id, tele_reader **)` */
  tele_reader_open: { parameters: ["buffer", "buffer"], result: "i32" },
  /** `int tele_reader_status(tele_reader *, tele_status *)` */
  tele_reader_status: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `int tele_reader_read(tele_reader *, after, mode, void *buffer, buffer_bytes, uint64_t *bytes_out)` */
  tele_reader_read: {
    parameters: ["pointer", "u64", "u32", "buffer", "u64", "buffer"],
    result: "i32",
  },
  /** `int tele_reader_begin(tele_reader *, after, mode, tele_slot_header *, const void **payload)` */
  tele_reader_begin: { parameters: ["pointer", "u64", "u32", "buffer", "buffer"], result: "i32" },
  /** `int tele_reader_end(tele_reader *, const tele_slot_header *)` */
  tele_reader_end: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `int tele_reader_hud(tele_reader *, tele_hud *)` */
  tele_reader_hud: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `void tele_reader_counters(const tele_reader *, uint64_t *reads, uint64_t *retries)` */
  tele_reader_counters: { parameters: ["pointer", "buffer", "buffer"], result: "void" },
  /** `int tele_reader_remove_stale(tele_reader *)` */
  tele_reader_remove_stale: { parameters: ["pointer"], result: "i32" },
  /** `void tele_reader_close(tele_reader *)` */
  tele_reader_close: { parameters: ["pointer"], result: "void" },

  /** `int tele_controller_open(tele_reader *, tele_controller **)` */
  tele_controller_open: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `int tele_controller_set_pause(tele_controller *, uint32_t paused)` */
  tele_controller_set_pause: { parameters: ["pointer", "u32"], result: "i32" },
  /** `int tele_controller_set_rate_max(tele_controller *, uint32_t rate_max_mhz)` */
  tele_controller_set_rate_max: { parameters: ["pointer", "u32"], result: "i32" },
  /** `int tele_controller_send_inputs(tele_controller *, const tele_input *, uint32_t events_count)` */
  tele_controller_send_inputs: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  /** `int tele_controller_inputs(tele_controller *, uint64_t *head, uint64_t *tail)` */
  tele_controller_inputs: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  /** `int tele_controller_set_sampled(tele_controller *, uint64_t tail, uint64_t frames_skipped)` */
  tele_controller_set_sampled: { parameters: ["pointer", "u64", "u64"], result: "i32" },
  /** `void tele_controller_close(tele_controller *)` */
  tele_controller_close: { parameters: ["pointer"], result: "void" },

  /** `int tele_hub_create(tele_hub **)` */
  tele_hub_create: { parameters: ["buffer"], result: "i32" },
  /** `int tele_hub_add(tele_hub *, uint64_t stream_id, tele_reader *, tele_controller *)` */
  tele_hub_add: { parameters: ["pointer", "u64", "pointer", "pointer"], result: "i32" },
  /** `int tele_hub_remove(tele_hub *, uint64_t stream_id)` */
  tele_hub_remove: { parameters: ["pointer", "u64"], result: "i32" },
  /** `int tele_hub_arm(tele_hub *, uint64_t stream_id, uint64_t after, uint64_t not_before_ns)` */
  tele_hub_arm: { parameters: ["pointer", "u64", "u64", "u64"], result: "i32" },
  /** `int tele_hub_disarm(tele_hub *, uint64_t stream_id)` */
  tele_hub_disarm: { parameters: ["pointer", "u64"], result: "i32" },
  /** `int tele_hub_next(tele_hub *, uint32_t timeout_ms, tele_hub_event *, uint32_t events_max)`; it blocks */
  tele_hub_next: {
    parameters: ["pointer", "u32", "buffer", "u32"],
    result: "i32",
    nonblocking: true,
  },
  /** `int tele_hub_wake(tele_hub *)` */
  tele_hub_wake: { parameters: ["pointer"], result: "i32" },
  /** `void tele_hub_destroy(tele_hub *)` */
  tele_hub_destroy: { parameters: ["pointer"], result: "void" },

  /** `int tele_encoders_json(char *buffer, size_t buffer_bytes)`; it probes for up to 1 s */
  tele_encoders_json: { parameters: ["buffer", "usize"], result: "i32", nonblocking: true },
  /** `int tele_probe_cuda_json(char *buffer, size_t buffer_bytes)`; the driver may hang or crash, here and below */
  tele_probe_cuda_json: { parameters: ["buffer", "usize"], result: "i32" },
  /** `int tele_probe_egl_json(char *buffer, size_t buffer_bytes)` */
  tele_probe_egl_json: { parameters: ["buffer", "usize"], result: "i32" },
  /** `int tele_probe_clock_json(char *buffer, size_t buffer_bytes)`; safe */
  tele_probe_clock_json: { parameters: ["buffer", "usize"], result: "i32" },

  /** `int tele_stream_open(tele_hub *, uint64_t stream_id, tele_reader *, tele_controller *, settings, tele_stream **)` */
  tele_stream_open: {
    parameters: ["pointer", "u64", "pointer", "pointer", "buffer", "buffer"],
    result: "i32",
  },
  /** `int tele_stream_set(tele_stream *, const tele_stream_settings *)` */
  tele_stream_set: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `int tele_stream_request_keyframe(tele_stream *, uint32_t outputs)` */
  tele_stream_request_keyframe: { parameters: ["pointer", "u32"], result: "i32" },
  /** `int tele_stream_take(tele_stream *, void *buffer, uint64_t buffer_bytes, uint64_t *bytes_out)` */
  tele_stream_take: { parameters: ["pointer", "buffer", "u64", "buffer"], result: "i32" },
  /** `int tele_stream_status_get(tele_stream *, tele_stream_status *)` */
  tele_stream_status_get: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `void tele_stream_close(tele_stream *)`; it waits for the frame that is being encoded */
  tele_stream_close: { parameters: ["pointer"], result: "void" },

  /** `int tele_jpeg_encode(frame, frame_bytes, quality, jpeg, jpeg_bytes_max, uint64_t *jpeg_bytes)`; ms of work */
  tele_jpeg_encode: {
    parameters: ["buffer", "u64", "u32", "buffer", "u64", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  /** `int tele_reader_snapshot(tele_reader *, quality, timeout_ms, jpeg, jpeg_bytes_max, uint64_t *jpeg_bytes)`; it blocks */
  tele_reader_snapshot: {
    parameters: ["pointer", "u32", "u32", "buffer", "u64", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  /** `int tele_reader_picture_stats(tele_reader *, after, ask_ms, tele_picture_stats *)`; it decodes, and may wait */
  tele_reader_picture_stats: {
    parameters: ["pointer", "u64", "u32", "buffer"],
    result: "i32",
    nonblocking: true,
  },

  /** `int tele_exec(const char *words, size_t words_bytes)`; it returns only when it fails */
  tele_exec: { parameters: ["buffer", "usize"], result: "i32" },

  /** `int tele_ts_mux_open(tele_ts_mux **)` */
  tele_ts_mux_open: { parameters: ["buffer"], result: "i32" },
  /** `int tele_ts_mux_pack(tele_ts_mux *, unit, unit_bytes, flags, time_ns, ts, ts_bytes_max, uint64_t *ts_bytes)` */
  tele_ts_mux_pack: {
    parameters: ["pointer", "pointer", "u64", "u32", "u64", "buffer", "u64", "buffer"],
    result: "i32",
  },
  /** `void tele_ts_mux_close(tele_ts_mux *)` */
  tele_ts_mux_close: { parameters: ["pointer"], result: "void" },

  /** `int tele_annexb_open(uint64_t unit_bytes_max, tele_annexb **)` */
  tele_annexb_open: { parameters: ["u64", "buffer"], result: "i32" },
  /** `int64_t tele_annexb_push(tele_annexb *, const void *bytes, uint64_t bytes_count)` */
  tele_annexb_push: { parameters: ["pointer", "buffer", "u64"], result: "i64" },
  /** `int tele_annexb_next(tele_annexb *, tele_access_unit *)` */
  tele_annexb_next: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `int tele_annexb_cut(tele_annexb *, tele_access_unit *)` */
  tele_annexb_cut: { parameters: ["pointer", "buffer"], result: "i32" },
  /** `void tele_annexb_close(tele_annexb *)` */
  tele_annexb_close: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

export type NativeSymbols = Deno.DynamicLibrary<typeof symbols>["symbols"];
