/** Cursors of rows: the number of the last row that was seen, in decimal. */

import { UserError } from "../errors.ts";
import type { Cursor, Page } from "./store.ts";

/** 0: from the beginning. Throws {@link UserError} for a cursor that no reader made. */
export function numberAfter(cursor: Cursor | null): bigint {
  if (cursor === null) return 0n;
  if (!/^\d{1,13}$/.test(cursor)) throw new UserError(`there is no page after "${cursor}"`);
  return BigInt(cursor);
}

/**
 * A page of what was found. `lastNumber` is that of the page's last row, `more` tells whether others follow, and
 * `committed` is the number of the newest row that there is.
 */
export function pageOf<Rows>(
  rows: Rows,
  { lastNumber, more, committed }: { lastNumber: bigint; more: boolean; committed: bigint },
): Page<Rows> {
  const end = String(more ? lastNumber : committed);
  return { rows, next: more ? end : null, end };
}
