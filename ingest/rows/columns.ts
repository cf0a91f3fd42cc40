/** Packed columns: the little-endian array of a type, which is the machine's own order (ffi/layout.ts). */

import { InvalidRows } from "./reader.ts";

/** Number of elements of a column. */
export function elementsOf(name: string, column: Uint8Array, bytesPerElement: number): number {
  const elements = column.byteLength / bytesPerElement;
  if (Number.isInteger(elements)) return elements;
  throw new InvalidRows(
    `column ${name} has ${column.byteLength} bytes, no multiple of ${bytesPerElement}`,
  );
}

/** Throws unless each column has `rows` elements. */
export function checkElements(
  rows: number,
  columns: readonly (readonly [name: string, column: Uint8Array, bytesPerElement: number])[],
): void {
  for (const [name, column, bytesPerElement] of columns) {
    const elements = elementsOf(name, column, bytesPerElement);
    if (elements !== rows) {
      throw new InvalidRows(`column ${name} has ${elements} values, not ${rows}`);
    }
  }
}

/** Copies a column's bytes into a typed array from element `at` on. */
export function putColumn(
  target: BigUint64Array | BigInt64Array | Float64Array | Uint32Array | Uint8Array,
  at: number,
  column: Uint8Array,
): void {
  const { buffer, byteOffset, BYTES_PER_ELEMENT } = target;
  new Uint8Array(buffer, byteOffset + at * BYTES_PER_ELEMENT, column.byteLength).set(column);
}
