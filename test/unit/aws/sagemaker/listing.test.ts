import { expect, test } from "vitest";
import { ListIndex, type ListInput, pageOf } from "../../../../emulator/aws/sagemaker/listing.ts";

/** In no order; some were created at the same time. */
const items = Array.from({ length: 250 }, (_, index) => {
  const number = (index * 97) % 250;
  const createdMs = Math.floor(number / 3);
  return {
    name: `item-${number}`,
    createdMs,
    modifiedMs: createdMs,
    status: number % 2 === 0 ? "even" : "odd",
  };
});
const byNames = new Map(items.map((item) => [item.name, item]));
const index = new ListIndex();
for (const item of items) index.add(item);
const find = (name: string) => byNames.get(name);

const walk = (input: ListInput): string[] => {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const { items: page, nextToken } = pageOf(index, find, { ...input, NextToken: token }, "CreationTime");
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

test("lists: what filters leave is in the same order, whatever they are and however small the pages", () => {
  const inputs: readonly ListInput[] = [
    { CreationTimeAfter: 20, CreationTimeBefore: 40 },
    { CreationTimeAfter: 20, CreationTimeBefore: 40, SortOrder: "Ascending" },
    { CreationTimeAfter: 41, CreationTimeBefore: 40 },
    { CreationTimeBefore: 10, SortBy: "Name", SortOrder: "Ascending" },
    { NameContains: "-1", StatusEquals: "odd" },
    { SortBy: "Status", SortOrder: "Ascending", CreationTimeAfter: 70 },
    { SortBy: "Status" },
  ];
  for (const input of inputs) {
    const { CreationTimeAfter: from = 0, CreationTimeBefore: to = 1000, SortBy: by = "CreationTime" } = input;
    const direction = input.SortOrder === "Ascending" ? 1 : -1;
    const keyOf = ({ name, createdMs, status }: (typeof items)[number]): string | number =>
      by === "Name" ? name : by === "Status" ? status : createdMs;
    const expected = items
      .filter(
        ({ name, createdMs, status }) =>
          createdMs >= from &&
          createdMs <= to &&
          name.includes(input.NameContains ?? "") &&
          (input.StatusEquals ?? status) === status,
      )
      .sort((a, b) => {
        const [first, second] = [keyOf(a), keyOf(b)];
        return direction * (first < second ? -1 : first > second ? 1 : a.name < b.name ? -1 : 1);
      })
      .map(({ name }) => name);
    for (const size of [1, 3, 100]) expect(walk({ ...input, MaxResults: size })).toEqual(expected);
  }
});

test("lists: what is gone, or not there yet, is on no page", () => {
  const small = new ListIndex();
  for (const item of items.slice(0, 20)) small.add(item);
  for (const item of items.slice(0, 10)) small.remove(item);
  const names = items
    .slice(10, 20)
    .map(({ name }) => name)
    .sort();
  const input: ListInput = { MaxResults: 100, SortBy: "Name", SortOrder: "Ascending" };
  expect(pageOf(small, find, input, "Name").items.map(({ name }) => name)).toEqual(names);
  const without = (name: string) => (name === names[0] ? undefined : find(name));
  expect(pageOf(small, without, input, "Name").items.map(({ name }) => name)).toEqual(names.slice(1));
});
