/** Columns of 64-bit integers, looked at by halves, beside BigInt's own comparisons. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { indexBeyondI64, largestOf } from "../../core/storage/words.ts";

const I64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const U64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
/** Few values, so that halves are often equal. */
const NEAR = fc.constantFrom(...[-(2n ** 32n), -1n, 0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n]);

Deno.test("words: the largest of a column is BigInt's", () => {
  fc.assert(fc.property(fc.array(fc.oneof(I64, NEAR), { minLength: 1 }), (values) => {
    const largest = values.reduce((one, other) => one > other ? one : other);
    assert.equal(largestOf(new BigInt64Array(values)), largest);
  }));
});

Deno.test("words: the first element beyond i64 is found, but for the exception", () => {
  fc.assert(fc.property(fc.array(fc.oneof(U64, fc.constant(2n ** 64n - 1n))), (values) => {
    const except = 2n ** 64n - 1n;
    const expected = values.findIndex((value) => value > 2n ** 63n - 1n && value !== except);
    assert.equal(indexBeyondI64(new BigUint64Array(values), except), expected);
  }));
});
