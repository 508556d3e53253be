import { expect, test } from "vitest";
import { type Linked, LinkedList } from "../../../emulator/common/linked-list.ts";

interface Item extends Linked<Item> {
  readonly name: string;
}

const newItem = (name: string): Item => ({ name, earlier: null, later: null });

test("linked list: keeps the order of arrival, whoever leaves", () => {
  for (const leaver of [0, 1, 2]) {
    const list = new LinkedList<Item>();
    const items = ["a", "b", "c"].map(newItem);
    for (const item of items) list.add(item);
    expect(list.remove(items[leaver]!)).toBe(true);
    list.add(newItem("d"));
    const left = ["a", "b", "c", "d"].filter((_, index) => index !== leaver);
    expect(list.all().map(({ name }) => name)).toEqual(left);
    expect([list.size, list.first?.name]).toEqual([3, left[0]]);
  }
});

test("remove: says no, and changes nothing, where the item has left or never came", () => {
  const list = new LinkedList<Item>();
  const [first, second] = [newItem("a"), newItem("b")];
  list.add(first);
  expect(list.remove(second)).toBe(false);
  expect(list.remove(first)).toBe(true);
  expect(list.remove(first)).toBe(false);
  expect([list.size, list.first]).toEqual([0, null]);
  list.add(second);
  expect(list.all()).toEqual([second]);
});
