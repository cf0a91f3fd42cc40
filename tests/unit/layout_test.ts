import assert from "node:assert/strict";
import * as layout from "../../ffi/layout.ts";
import { openLibrary } from "../harness/library.ts";

/** What the library tells of its structs. */
interface NativeLayout {
  structs: Record<
    string,
    { bytes: number; fields: Record<string, { offset: number; bytes: number }> }
  >;
}

const STRUCTS: Record<string, Record<string, number>> = {
  tele_slot_header: layout.SlotHeader,
  tele_hud: layout.Hud,
  tele_input: layout.Input,
  tele_producer_options: layout.ProducerOptions,
  tele_frame: layout.Frame,
  tele_controls: layout.Controls,
  tele_status: layout.Status,
  tele_hub_event: layout.HubEvent,
  tele_stream_settings: layout.StreamSettings,
  tele_stream_status: layout.StreamStatus,
  tele_picture_stats: layout.PictureStats,
  tele_access_unit: layout.AccessUnit,
};

Deno.test("layout: sizes and offsets are those that the C compiler sees", () => {
  using library = openLibrary();
  const { structs } = library.layout() as NativeLayout;
  for (const [name, ours] of Object.entries(STRUCTS)) {
    const native = structs[name]!;
    for (const [field, offset] of Object.entries(ours)) {
      if (field === "bytes") {
        assert.equal(offset, native.bytes, `size of ${name}`);
      } else {
        const nativeField = field.endsWith("s_bytes") ? "bytes" : field;
        assert.equal(offset, native.fields[nativeField]?.offset, `${name}.${field}`);
      }
    }
  }
});
