/** Names that somebody may have meant. */

const NAMES_MAX = 3;

/** Those that differ in few letters or contain what was given, the nearest first; at most three. */
export function nearNames(given: string, names: Iterable<string>): string[] {
  const wanted = given.toLowerCase();
  const distanceMax = Math.max(2, Math.floor(wanted.length / 3));
  const found: { name: string; distance: number }[] = [];
  for (const name of names) {
    const lower = name.toLowerCase();
    const contained = wanted.length > 1 && (lower.includes(wanted) || wanted.includes(lower));
    const distance = contained ? 1 : editDistance(wanted, lower);
    if (distance <= distanceMax) found.push({ name, distance });
  }
  found.sort((a, b) => a.distance - b.distance);
  return found.slice(0, NAMES_MAX).map(({ name }) => name);
}

/** Letters to insert, delete or replace (Levenshtein 1966), by the rows of its table. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
