/** Software of others that telebridge hands on, and the document that names it. */

import { createHash } from "node:crypto";

export interface Software {
  readonly name: string;
  readonly version: string;
  /** The licences that have to be handed on, as their authors wrote them. */
  readonly licenceText: string;
  /** Where that text is from, when it is not simply the licence file that came with the software. */
  readonly remark?: string;
}

export interface Section {
  readonly title: string;
  readonly introduction: string;
  readonly software: readonly Software[];
}

const RULE = "=".repeat(100);
const THIN_RULE = "-".repeat(100);

/** The same bytes for the same software, in whatever order it was found. */
export function renderNotices(heading: string, sections: readonly Section[]): string {
  return [heading, ...sections.map(renderSection)].join(`\n${RULE}\n\n`);
}

/** Many packages share one text: it is printed once, below the names of them all. */
function renderSection({ title, introduction, software }: Section): string {
  const byText = Map.groupBy(software, ({ licenceText, remark }) => digest(licenceText, remark));
  const groups = [...byText.values()]
    .map((group) => group.toSorted((a, b) => compare(labelOf(a), labelOf(b))))
    .toSorted(([a], [b]) => compare(labelOf(a!), labelOf(b!)));
  return [`${title}\n\n${introduction}\n`, ...groups.map(renderGroup)].join(`\n${THIN_RULE}\n\n`);
}

function renderGroup(group: readonly Software[]): string {
  const { licenceText, remark } = group[0]!;
  const names = group.map((software) => `${labelOf(software)}\n`).join("");
  return `${names}${remark === undefined ? "" : `(${remark})\n`}\n${normalize(licenceText)}\n`;
}

function labelOf({ name, version }: Software): string {
  return `${name} ${version}`;
}

/** By code units, so that no locale has a say. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function digest(...parts: (string | undefined)[]): string {
  return createHash("sha256").update(JSON.stringify(parts.map((part) => part && normalize(part))))
    .digest("hex");
}

function normalize(text: string): string {
  return text.replaceAll(/\r\n?/g, "\n").replaceAll(/[ \t]+$/gm, "").replace(/^\n+|\s+$/g, "");
}
