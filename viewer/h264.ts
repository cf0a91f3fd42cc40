/**
 * As much of H.264 (ITU-T H.264, byte stream format of annex B) as must be known before a decoder is made: where the
 * units begin, what kind they are, and the three bytes of a sequence parameter set that name the codec.
 *
 * The bytes come from a stranger: nothing here reads past their end, and at most {@link UNITS_MAX} units are looked at.
 */

/** nal_unit_type, table 7-1. */
const UnitType = { Slice: 1, IdrSlice: 5, SequenceParameters: 7, PictureParameters: 8 } as const;
/** A keyframe begins with few units before its first slice: delimiter, parameters, SEI. */
const UNITS_MAX = 32;
/** nal_unit_header, profile_idc, constraint flags, level_idc: 7.3.1 and 7.3.2.1.1. */
const SEQUENCE_HEAD_BYTES = 4;

export interface AccessUnitSummary {
  /** "avc1.PPCCLL" of the first sequence parameter set (RFC 6381, 3.3); null where there is none. */
  codec: string | null;
  /** The first slice is one of an IDR picture: decoding can begin here. */
  isKeyframe: boolean;
}

/** Reads an access unit up to its first slice. */
export function summariseAccessUnit(unit: Uint8Array): AccessUnitSummary {
  let codec: string | null = null;
  let offset = findUnit(unit, 0);
  for (let units = 0; units < UNITS_MAX && offset < unit.byteLength; units++) {
    const type = unit[offset]! & 0x1f;
    if (type >= UnitType.Slice && type <= UnitType.IdrSlice) {
      return { codec, isKeyframe: type === UnitType.IdrSlice };
    }
    const next = findUnit(unit, offset);
    if (type === UnitType.SequenceParameters) codec ??= codecName(unit.subarray(offset, next));
    offset = next;
  }
  return { codec, isKeyframe: false };
}

/** Offset of the first byte behind the next start code (00 00 01) at or after `from`; the length where there is none. */
function findUnit(bytes: Uint8Array, from: number): number {
  // Looking for the 1 lets the search run at native speed through what is not zero.
  for (let one = bytes.indexOf(1, from + 2); one !== -1; one = bytes.indexOf(1, one + 1)) {
    if (bytes[one - 1] === 0 && bytes[one - 2] === 0) return one + 1;
  }
  return bytes.byteLength;
}

function codecName(sequence: Uint8Array): string | null {
  if (sequence.byteLength < SEQUENCE_HEAD_BYTES) return null;
  const hex = (byte: number) => byte.toString(16).padStart(2, "0").toUpperCase();
  return `avc1.${hex(sequence[1]!)}${hex(sequence[2]!)}${hex(sequence[3]!)}`;
}
