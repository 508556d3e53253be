import { expect, test } from "vitest";
import { renderTable } from "../../../emulator/cli/table.ts";

test("table: frames the head and the rows as the real server does", () => {
  const rows = [
    ["Model", "Version", "Status"],
    ["bad", "1", "UNAVAILABLE: Internal: x"],
    ["good", "1", "READY"],
  ];
  expect(renderTable(rows)).toBe(
    [
      "+-------+---------+--------------------------+",
      "| Model | Version | Status                   |",
      "+-------+---------+--------------------------+",
      "| bad   | 1       | UNAVAILABLE: Internal: x |",
      "| good  | 1       | READY                    |",
      "+-------+---------+--------------------------+",
    ].join("\n"),
  );
});

test("table: a table without rows has a head and three rules", () => {
  expect(renderTable([["Model"]]).split("\n")).toHaveLength(4);
});
