/** Sizes and offsets of telebridge.h's structs, in bytes; tests/unit/layout_test.ts compares them with the library's. */

export const SlotHeader = {
  bytes: 128,
  seq: 0,
  frame: 8,
  width: 56,
  height: 60,
  format: 64,
} as const;

export const Hud = {
  bytes: 56,
  last_reward: 0,
  avg_reward_1s: 8,
  step_rate_hz: 16,
  episode: 24,
  step: 32,
  episode_return: 40,
  loss: 48,
} as const;

export const Input = {
  bytes: 32,
  kind: 0,
  code: 4,
  x: 8,
  y: 12,
  buttons: 16,
  modifiers: 20,
  t_ns: 24,
} as const;

export const ProducerOptions = { bytes: 16, payload_bytes_max: 0, capacity: 8 } as const;

export const Frame = {
  bytes: 96,
  pixels: 0,
  overlay: 8,
  /** The struct's field `bytes`: how many bytes `pixels` has. */
  pixels_bytes: 16,
  step: 24,
  episode: 32,
  reward: 40,
  t_mono_ns: 48,
  t_real_ns: 56,
  width: 64,
  height: 68,
  format: 72,
  stride: 76,
  flags: 80,
  overlay_width: 84,
  overlay_height: 88,
  overlay_format: 92,
} as const;

export const Controls = {
  bytes: 16,
  controller_alive: 0,
  pause_requested: 4,
  rate_max_mhz: 8,
  keyframe_requests: 12,
} as const;

export const Status = {
  bytes: 72,
  head: 0,
  epoch_ns: 8,
  capacity: 16,
  slot_bytes: 24,
  inode: 32,
  flags: 40,
  owner: 44,
  producer_pid: 48,
  replaced: 52,
  controls: 56,
} as const;

export const HubEvent = {
  bytes: 32,
  stream_id: 0,
  head: 8,
  t_mono_ns: 16,
  kind: 24,
  detail: 28,
} as const;

export const StreamSettings = {
  bytes: 56,
  phase_ns: 0,
  period_ns: 8,
  interval_min_ns: 16,
  outputs: 24,
  every_nth: 28,
  in_order: 32,
  bitrate_kbps: 36,
  gop_ms: 40,
  fps_mhz: 44,
  jpeg_quality: 48,
  encoder: 52,
} as const;

export const StreamStatus = {
  bytes: 288,
  frames_sampled: 0,
  frames_skipped: 8,
  packets: 16,
  packets_dropped: 24,
  keyframes: 32,
  /** The struct's field `bytes`: of all packets. */
  packets_bytes: 40,
  convert_ns: 48,
  encode_ns: 56,
  decode_ns: 64,
  last_frame: 72,
  encoder: 80,
  width: 84,
  height: 88,
  bitrate_kbps: 92,
  encoder_name: 96,
  note: 128,
} as const;

export const PictureStats = {
  bytes: 2336,
  frame: 0,
  t_mono_ns: 8,
  width: 16,
  height: 20,
  luma_min: 24,
  luma_max: 28,
  cells: 32,
} as const;

export const AccessUnit = {
  bytes: 32,
  /** The struct's field `bytes`: where its NAL units are. */
  nals_bytes: 0,
  bytes_count: 8,
  width: 16,
  height: 20,
  flags: 24,
} as const;
