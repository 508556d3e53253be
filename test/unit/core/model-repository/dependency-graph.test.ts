import { expect, test } from "vitest";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";
import { identifierText, type ModelIdentifier } from "../../../../emulator/core/model-identifier.ts";
import { DependencyGraph } from "../../../../emulator/core/model-repository/dependency-graph.ts";
import { ensembleConfig } from "../../../support/ensemble-models.ts";

/** `root::name` or `name`. */
const identifier = (text: string): ModelIdentifier => {
  const parts = text.split("::");
  return { namespace: parts.length === 1 ? "" : parts[0]!, name: parts.at(-1)! };
};

/** Name -> names of its members; a leading `!` = asked for by name. */
const graphOf = (models: Readonly<Record<string, readonly string[]>>): DependencyGraph => {
  const graph = new DependencyGraph();
  for (const [text, members] of Object.entries(models)) {
    const parsed = parseConfigText(
      members.length === 0 ? "" : ensembleConfig(members.map((member) => `${member} IN=IN OUT=OUT`)),
    );
    if (!parsed.ok) throw parsed.error;
    graph.set(identifier(text.replace("!", "")), parsed.value, text.startsWith("!"));
  }
  return graph;
};

const nodeOf = (graph: DependencyGraph, text: string) => {
  const node = graph.get(identifier(text));
  if (node === undefined) throw new Error(`no ${text}`);
  return node;
};
const texts = (nodes: readonly { readonly identifier: ModelIdentifier }[]): string[] =>
  nodes.map((node) => identifierText(node.identifier)).sort();

const tower = { a: [], b: [], inner: ["a", "b"], other: ["b"], outer: ["inner"] };

test("dependency graph: a model's users are the ensembles around it, over any number of them", () => {
  const graph = graphOf(tower);
  expect(texts(graph.usersOf(identifier("b")))).toEqual(["inner", "other"]);
  expect(texts(graph.allUsersOf([identifier("b")]))).toEqual(["inner", "other", "outer"]);
  expect(texts(graph.allUsersOf([identifier("outer")]))).toEqual([]);
  expect(texts(graph.membersOf(nodeOf(graph, "inner")))).toEqual(["a", "b"]);
});

test("dependency graph: an ensemble without one of its members is told so, and comes right with it", () => {
  const graph = graphOf({ e: ["gone", "a", "lost"], a: [] });
  expect(graph.problemOf(nodeOf(graph, "e"))?.message).toBe(
    "ensemble e contains models that are not available or ambiguous: gone",
  );
  expect(texts(graph.usersOf(identifier("gone")))).toEqual(["e"]);
  for (const name of ["gone", "lost"]) graph.set(identifier(name), nodeOf(graph, "a").config, false);
  expect(graph.problemOf(nodeOf(graph, "e"))).toBeNull();
});

test.each([
  { title: "itself", models: { e: ["e"] }, last: "e" },
  { title: "one that contains it", models: { e: ["f"], f: ["e"] }, last: "f" },
  { title: "one over two more", models: { e: ["f"], f: ["g"], g: ["e"] }, last: "f" },
])("dependency graph: an ensemble cannot contain $title", ({ models, last }) => {
  const graph = graphOf(models);
  expect(graph.problemOf(nodeOf(graph, "e"))?.message).toBe(
    `circular dependency between ensembles: e -> ... -> ${last} -> e`,
  );
});

test("dependency graph: dependents are the members that nobody else has and nobody asked for, and theirs", () => {
  const graph = graphOf({ a: [], "!b": [], c: [], inner: ["a", "b"], other: ["c"], outer: ["inner", "c"] });
  const going = (name: string): string[] =>
    graph
      .withDependents([identifier(name)])
      .map(identifierText)
      .sort();
  expect(going("outer")).toEqual(["a", "inner", "outer"]);
  expect(going("inner")).toEqual(["a", "inner"]);
  expect(going("other")).toEqual(["other"]);
  graph.remove(identifier("outer"));
  expect(going("other")).toEqual(["c", "other"]);
});

test("dependency graph: a step means the model beside its ensemble, else the only one of its name", () => {
  const graph = graphOf({
    "one::a": [],
    "two::a": [],
    "one::e": ["a"],
    "three::f": ["a"],
    "three::g": ["b"],
    "one::b": [],
  });
  expect(texts(graph.membersOf(nodeOf(graph, "one::e")))).toEqual(["one::a"]);
  expect(graph.problemOf(nodeOf(graph, "three::f"))?.message).toContain("not available or ambiguous: a");
  expect(texts(graph.membersOf(nodeOf(graph, "three::g")))).toEqual(["one::b"]);
  expect(texts(graph.usersOf(identifier("two::a")))).toEqual(["three::f"]);
});
