/** Text in columns. */

/** Letters that a terminal shows wider than one cell move their line. */
export interface Column<Row> {
  title: string;
  align: "left" | "right";
  cell(row: Row): string;
}

const GAP = "  ";

/** Lines with a header, each column as wide as its widest cell. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
  ];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]!.length)));
  return cells.map((line) =>
    columns.map(({ align }, at) =>
      align === "left" ? line[at]!.padEnd(widths[at]!) : line[at]!.padStart(widths[at]!)
    ).join(GAP).trimEnd()
  );
}
