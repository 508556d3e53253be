import { documented } from "./documented.ts";
import { elsewhere, notProvoked, provoked } from "./rows.ts";

const INTRODUCTION = `# Errors of AWS's services

Made by \`npm run docs\` from \`test/aws-errors\`. \`test/aws-errors.test.ts\` brings about each error that has no other test named,
over the wire, and compares status, type, text, further members and the form of the protocol; it also sees to it that no error
which AWS documents for an operation is missing here.

Words: *documented* are those of AWS's service models, of its API reference or of the constraint that its validation tells;
*reported* are in somebody's public report of it; *ours* are known of nobody.
`;

/** docs/aws-errors.md. */
export const errorsPage = (): string => {
  const brought = [...provoked, ...elsewhere];
  const operations = [...new Set([...Object.keys(documented), ...brought.map(({ operation }) => operation)])];
  const rows = operations.flatMap((operation) =>
    brought
      .filter((row) => row.operation === operation)
      .map((row) => {
        const { error, when, status, wording } = row;
        const test = "file" in row ? `\`${row.file}\`` : "";
        return `| ${operation} | \`${error}\` | ${status} | ${when} | ${wording} | ${test} |`;
      }),
  );
  return [
    INTRODUCTION,
    "| Operation | Error | Status | When | Words | Tested in |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
    "## Not brought about",
    "",
    "| Error | Operations | Why |",
    "|---|---|---|",
    ...neverRows(),
    "",
  ].join("\n");
};

const neverRows = (): string[] => {
  const byReason = new Map<string, string[]>();
  for (const { operation, error, why } of notProvoked) {
    const key = `${error}\n${why}`;
    byReason.set(key, [...(byReason.get(key) ?? []), operation]);
  }
  return [...byReason].map(([key, operations]) => {
    const [error, why] = key.split("\n");
    return `| \`${error}\` | ${operations.join(", ")} | ${why} |`;
  });
};
