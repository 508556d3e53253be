import { expect, test } from "vitest";
import { type ListInput, pageOf } from "../../../../emulator/aws/sagemaker/listing.ts";

/** In no order; some were created at the same time. */
const items = Array.from({ length: 250 }, (_, index) => {
  const number = (index * 97) % 250;
  const createdMs = Math.floor(number / 3);
  return { name: `item-${number}`, createdMs, modifiedMs: createdMs, status: "" };
});

const walk = (input: ListInput): string[] => {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const { items: page, nextToken } = pageOf(items, { ...input, NextToken: token }, "CreationTime");
    names.push(...page.map(({ name }) => name));
    token = nextToken;
  } while (token !== undefined);
  return names;
};

test.each([1, 7, 50, 249, 250, 251])("lists: pages of %d are one list in the order asked for", (size) => {
  const byName = items.map(({ name }) => name).sort();
  expect(walk({ MaxResults: size, SortBy: "Name", SortOrder: "Ascending" })).toEqual(byName);
  expect(walk({ MaxResults: size, SortBy: "Name" })).toEqual(byName.toReversed());
  const newest = [...items].sort((a, b) => b.createdMs - a.createdMs || (a.name < b.name ? 1 : -1));
  expect(walk({ MaxResults: size })).toEqual(newest.map(({ name }) => name));
});
