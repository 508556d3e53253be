/** Rows in a frame of `+`, `-` and `|`, as the real server prints tables; the first row is the head. */
export const renderTable = (rows: readonly (readonly string[])[]): string => {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const line = (row: readonly string[]): string =>
    `|${widths.map((width, column) => ` ${(row[column] ?? "").padEnd(width)} `).join("|")}|`;
  return [rule, line(head), rule, ...body.map(line), rule].join("\n");
};
