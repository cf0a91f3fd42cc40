/** What stands behind the question mark, checked. */

import { type Exchange, HttpError } from "./exchange.ts";

/** Not beyond what 64 bits of ns hold. */
const SECONDS_PATTERN = /^(-?)(\d{1,9}|[1-8]\d{9})(?:\.(\d+))?$/;
const NS_DIGITS = 9;

/** Each parameter is known, and given once unless it may come again; anything else is a mistake that is told. */
export class Parameters {
  readonly #given: URLSearchParams;

  /** Throws 400 for a parameter that is not among `known`, or is repeated and not among `repeatable`. */
  constructor(exchange: Exchange, known: readonly string[], repeatable: readonly string[] = []) {
    this.#given = exchange.url.searchParams;
    const names = [...known, ...repeatable];
    for (const name of new Set(this.#given.keys())) {
      if (!names.includes(name)) {
        throw new HttpError(400, `there is no parameter "${name}", but ${names.join(", ")}`);
      }
      if (known.includes(name) && this.#given.getAll(name).length > 1) {
        throw new HttpError(400, `${name} is given more than once`);
      }
    }
  }

  text(name: string): string | null {
    return this.#given.get(name);
  }

  /** Throws 400 for more than `countMax`. */
  texts(name: string, countMax: number): string[] {
    const texts = this.#given.getAll(name);
    if (texts.length <= countMax) return texts;
    throw new HttpError(
      400,
      `${name} is given ${texts.length} times, at most ${countMax} are taken`,
    );
  }

  /** null where it is not given. Throws 400 for what is no whole number in the range. */
  wholeNumber(name: string, { min, max }: { min: number; max: number }): number | null {
    const text = this.#given.get(name);
    if (text === null) return null;
    const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (number >= min && number <= max) return number;
    throw new HttpError(400, `${name} is "${text}", expected a whole number from ${min} to ${max}`);
  }

  /** A time in seconds since 1970 as ns, by its decimals; null where it is not given. */
  seconds(name: string): bigint | null {
    const text = this.#given.get(name);
    if (text === null) return null;
    const [, sign, whole, fraction = ""] = SECONDS_PATTERN.exec(text) ?? [];
    if (whole === undefined) {
      throw new HttpError(400, `${name} is "${text}", expected seconds since 1970`);
    }
    return BigInt(sign + whole + fraction.slice(0, NS_DIGITS).padEnd(NS_DIGITS, "0"));
  }
}
