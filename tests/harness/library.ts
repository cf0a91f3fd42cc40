/** The native library, in this process. */

import { locateAssets } from "../../core/assets.ts";
import { Library } from "../../ffi/library.ts";

export function openLibrary(): Library {
  return Library.open(locateAssets().libraryPath);
}
