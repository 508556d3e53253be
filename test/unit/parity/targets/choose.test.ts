import { expect, test } from "vitest";
import { Unavailable } from "../../../../emulator/parity/real-triton/unavailable.ts";
import {
  type Candidate,
  firstPossible,
  type TargetKind,
} from "../../../../emulator/parity/targets/choose.ts";
import type { Target } from "../../../../emulator/parity/targets/target.ts";

const target = (name: string): Target => ({
  name,
  real: true,
  onnxRuntime: "1.19.2",
  start: () => Promise.reject(new Error("not to be started")),
});
const close = (): Promise<void> => Promise.resolve();
const possible = (kind: TargetKind): Candidate => ({
  kind,
  open: () => Promise.resolve({ target: kind === "recordings" ? null : target(`a ${kind} server`), close }),
});
const impossible = (kind: TargetKind): Candidate => ({
  kind,
  open: () => Promise.reject(new Unavailable(`nothing\n  here for ${kind}`, `install ${kind}`)),
});

test("choice: the first kind that is possible, and no word about those after it", async () => {
  const said: string[] = [];
  const chosen = await firstPossible([possible("container"), impossible("native")], {
    say: (line) => said.push(line),
  });
  expect(chosen).toMatchObject({ kind: "container", target: { name: "a container server" } });
  expect(said).toEqual(["container: a container server"]);
});

test("choice: says in a line each why a kind was not taken and what would make it possible", async () => {
  const said: string[] = [];
  const all = [impossible("container"), impossible("native"), possible("recordings")];
  const chosen = await firstPossible(all, { say: (line) => said.push(line) });
  expect(chosen).toMatchObject({ kind: "recordings", target: null });
  expect(said).toEqual([
    "container: not checked, nothing here for container. To check it: install container",
    "native: not checked, nothing here for native. To check it: install native",
    "recordings: what a real server answered earlier",
  ]);
});

test("choice: the kind that is wanted or none", async () => {
  const all = [possible("container"), impossible("native"), possible("recordings")];
  const say = (): void => {};
  expect(await firstPossible(all, { wanted: "recordings", say })).toMatchObject({ kind: "recordings" });
  await expect(firstPossible(all, { wanted: "native", say })).rejects.toBeInstanceOf(Unavailable);
});

test("choice: an error that is no lack of something is not passed over", async () => {
  const broken: Candidate = { kind: "container", open: () => Promise.reject(new Error("a bug")) };
  await expect(firstPossible([broken, possible("native")], { say: () => {} })).rejects.toThrow("a bug");
});
