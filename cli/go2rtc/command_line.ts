/** Commands as go2rtc reads them: its `exec:` sources are cut at spaces, with quotes around whole words and no escapes. */

/** Ends the command for go2rtc, or is replaced by it, quoted or not. */
const TAKEN = ["#", "{output}"];
// deno-lint-ignore no-control-regex -- such a word could not be shown either; the last three are line breaks to YAML
const CONTROL = /[\x00-\x1f\x7f\x85\u2028\u2029]/;

/** A command that go2rtc cannot be told. The message says why. */
export class NotForGo2rtc extends Error {}

export function execSource(words: readonly string[]): string {
  checkPlain(words);
  return `exec:${words.map(quoted).join(" ")}`;
}

/** Throws where a word could not even stand in a comment. */
export function checkPlain(words: readonly string[]): void {
  if (words.some((word) => CONTROL.test(word))) {
    throw refusal("a word with a line break or another control character");
  }
}

function refusal(what: string): NotForGo2rtc {
  return new NotForGo2rtc(`its command has ${what}, which go2rtc cannot be told: use a script`);
}

function quoted(word: string): string {
  if (word === "") throw refusal("an empty word");
  const taken = TAKEN.find((text) => word.includes(text));
  if (taken !== undefined) throw refusal(`a word with ${taken}`);
  if (!/^["']| /.test(word)) return word;
  const quote = ["'", '"'].find((mark) => !word.includes(mark));
  if (quote === undefined) throw refusal("a word with spaces and both kinds of quotes");
  return quote + word + quote;
}
