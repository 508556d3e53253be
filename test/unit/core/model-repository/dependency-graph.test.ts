import { expect, test } from "vitest";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";
import { identifierText, type ModelIdentifier } from "../../../../emulator/core/model-identifier.ts";
import {
  DependencyGraph,
  type ModelChange,
  membersInTurn,
} from "../../../../emulator/core/model-repository/dependency-graph.ts";
import { ensembleConfig } from "../../../support/ensemble-models.ts";

/** `root::name` or `name`. */
const identifier = (text: string): ModelIdentifier => {
  const parts = text.split("::");
  return { namespace: parts.length === 1 ? "" : parts[0]!, name: parts.at(-1)! };
};

/** @param text a leading `!` = asked for by name */
const model = (text: string, ...members: readonly string[]): ModelChange => {
  const parsed = parseConfigText(
    members.length === 0 ? "" : ensembleConfig(members.map((member) => `${member} IN=IN OUT=OUT`)),
  );
  if (!parsed.ok) throw parsed.error;
  return {
    identifier: identifier(text.replace("!", "")),
    config: parsed.value,
    explicit: text.startsWith("!"),
  };
};

/** Name -> names of its members. */
const graphOf = (models: Readonly<Record<string, readonly string[]>>): DependencyGraph => {
  const graph = new DependencyGraph();
  const changed = Object.entries(models).map(([text, members]) => model(text, ...members));
  graph.update({ removed: [], changed });
  return graph;
};

const nodeOf = (graph: DependencyGraph, text: string) => {
  const node = graph.get(identifier(text));
  if (node === undefined) throw new Error(`no ${text}`);
  return node;
};
const settle = (graph: DependencyGraph): void => {
  for (const node of graph.nodes()) node.state = { ...node.state, isSettled: true };
};
const unsettled = (graph: DependencyGraph): string[] =>
  [...graph.nodes()]
    .filter(({ state }) => !state.isSettled)
    .map((node) => identifierText(node.identifier))
    .sort();
const texts = (nodes: Iterable<{ readonly identifier: ModelIdentifier }>): string[] =>
  [...nodes].map((node) => identifierText(node.identifier));

const tower = { a: [], b: [], inner: ["a", "b"], other: ["b"], outer: ["inner"] };

test("dependency graph: a model that is changed has the ensembles around it looked at again, and is affected alone", () => {
  const graph = graphOf(tower);
  settle(graph);
  const update = { removed: [], changed: [model("b")] };
  expect([...graph.affected(update)]).toEqual(["b"]);
  graph.update(update);
  expect(unsettled(graph)).toEqual(["b", "inner", "other", "outer"]);
  expect(texts(nodeOf(graph, "b").users)).toEqual(["inner", "other"]);
});

test("dependency graph: the members of an ensemble are gone through from the last one on", () => {
  expect(texts(membersInTurn(nodeOf(graphOf(tower), "inner")))).toEqual(["b", "a"]);
});

test("dependency graph: an ensemble without one of its members is told so, and comes right with it", () => {
  const graph = graphOf({ e: ["gone", "a", "lost"], a: [] });
  expect(nodeOf(graph, "e").state.problem?.message).toBe(
    "ensemble e contains models that are not available or ambiguous: gone",
  );
  settle(graph);
  const update = { removed: [], changed: [model("gone"), model("lost")] };
  expect([...graph.affected(update)]).toEqual(["gone", "e", "lost"]);
  graph.update(update);
  expect(nodeOf(graph, "e").state.problem).toBeNull();
  expect(texts(nodeOf(graph, "e").members.keys())).toEqual(["gone", "a", "lost"]);
});

test("dependency graph: a missing member is forgotten of an ensemble that another member of it was changed of", () => {
  const graph = graphOf({ e: ["a", "gone"], a: [] });
  settle(graph);
  graph.update({ removed: [], changed: [model("a")] });
  expect(nodeOf(graph, "e").state).toMatchObject({ problem: null, isSettled: false });
});

test("dependency graph: ensembles in a circle are told so", () => {
  const graph = graphOf({ a: ["b"], b: ["c"], c: ["a"] });
  for (const name of ["a", "b", "c"])
    expect(nodeOf(graph, name).state.problem?.message).toMatch(
      /^circular dependency between ensembles: (\w) -> \.\.\. -> \w -> \1$/,
    );
  expect(graphOf({ e: ["e"] }).get(identifier("e"))?.state.problem?.message).toBe(
    "circular dependency between ensembles: e -> ... -> e -> e",
  );
});

test("dependency graph: an unload with dependents takes members that nobody asked for and nobody else has", () => {
  const graph = graphOf({ "!e": ["a", "b", "f"], "!f": ["c"], a: [], "!b": [], c: [] });
  const going = (...names: readonly string[]): string[] =>
    graph.withDependents(names.map(identifier)).map(identifierText).sort();
  expect(going("e")).toEqual(["a", "e"]);
  expect(going("e", "f")).toEqual(["a", "c", "e", "f"]);
  expect(going("f")).toEqual(["c", "f"]);
  const update = { removed: [identifier("c")], changed: [] };
  expect([...graph.affected(update)]).toEqual(["c", "f"]);
  graph.update(update);
  expect(nodeOf(graph, "f").state.problem?.message).toContain("not available or ambiguous: c");
});

test("dependency graph: a member is the one of the ensemble's namespace, else the only one of its name", () => {
  const graph = graphOf({ "r::e": ["m", "only", "two"], "r::m": [], "s::m": [], "s::only": [] });
  const members = texts(nodeOf(graph, "r::e").members.keys());
  expect(members).toEqual(["r::m", "s::only"]);
  settle(graph);
  graph.update({ removed: [], changed: [model("t::only")] });
  expect(texts(nodeOf(graph, "r::e").members.keys())).toEqual(["r::m"]);
  expect(unsettled(graph)).toEqual(["r::e", "t::only"]);
});
