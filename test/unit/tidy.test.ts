import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/**
 * What each part of emulator/ may import besides itself; names are its folders, two levels deep in core, frontends,
 * backends, aws, composition and parity. Imports go downward only: a part names nothing that stands below it in this table.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  common: [],
  "core/tensor": ["common"],
  "core/model-identifier.ts": [],
  "core/storage.ts": ["common"],
  "core/memory": ["common"],
  "core/settings": ["common"],
  "core/model-config": ["common", "core/model-identifier.ts", "core/storage.ts", "core/tensor"],
  "core/backend.ts": ["common", "core/memory", "core/model-config", "core/storage.ts", "core/tensor"],
  "core/trace": ["common", "core/settings", "core/tensor"],
  "core/statistics": ["core/backend.ts", "core/model-identifier.ts"],
  "core/inference-server.ts": [
    "common",
    "core/model-config",
    "core/settings",
    "core/statistics",
    "core/tensor",
    "core/trace",
  ],
  "core/repository-registry.ts": ["common", "core/inference-server.ts"],
  "core/dead-stub.ts": ["common"],
  "core/instance-chance.ts": [],
  "core/faults": ["common"],
  "core/inference": ["common", "core/model-config", "core/tensor"],
  "core/response-cache": ["common", "core/memory", "core/tensor"],
  "core/scheduler": [
    "common",
    "core/backend.ts",
    "core/instance-chance.ts",
    "core/model-config",
    "core/response-cache",
    "core/statistics",
    "core/storage.ts",
    "core/tensor",
  ],
  "core/model-lifecycle": [
    "common",
    "core/backend.ts",
    "core/dead-stub.ts",
    "core/inference",
    "core/inference-server.ts",
    "core/instance-chance.ts",
    "core/memory",
    "core/model-config",
    "core/model-identifier.ts",
    "core/response-cache",
    "core/scheduler",
    "core/statistics",
    "core/storage.ts",
    "core/tensor",
  ],
  "core/model-repository": [
    "common",
    "core/inference-server.ts",
    "core/model-config",
    "core/model-identifier.ts",
    "core/model-lifecycle",
    "core/storage.ts",
  ],
  "core/triton-server.ts": [
    "common",
    "core/backend.ts",
    "core/inference-server.ts",
    "core/instance-chance.ts",
    "core/memory",
    "core/model-config",
    "core/model-identifier.ts",
    "core/model-lifecycle",
    "core/model-repository",
    "core/repository-registry.ts",
    "core/response-cache",
    "core/settings",
    "core/statistics",
    "core/storage.ts",
    "core/tensor",
    "core/trace",
  ],
  journal: ["common", "core/memory", "core/model-lifecycle"],
  "aws/object-store": [],
  storage: ["common", "core/memory", "core/storage.ts", "core/trace", "journal", "aws/object-store"],
  "backends/onnxruntime": [
    "common",
    "core/backend.ts",
    "core/memory",
    "core/model-config",
    "core/storage.ts",
    "core/tensor",
  ],
  "backends/synthetic": ["common", "core/backend.ts", "core/memory", "core/model-config", "core/tensor"],
  "backends/faulty": [
    "common",
    "core/backend.ts",
    "core/dead-stub.ts",
    "core/faults",
    "core/memory",
    "core/model-config",
    "core/tensor",
  ],
  "frontends/http1": ["common"],
  "frontends/kserve-json": ["common", "core/inference-server.ts", "core/tensor", "frontends/http1"],
  "frontends/http": [
    "common",
    "core/faults",
    "core/inference-server.ts",
    "core/model-config",
    "core/settings",
    "core/statistics",
    "core/tensor",
    "core/trace",
    "frontends/http1",
    "frontends/kserve-json",
  ],
  "frontends/grpc": [
    "common",
    "core/faults",
    "core/inference-server.ts",
    "core/model-config",
    "core/settings",
    "core/statistics",
    "core/tensor",
    "core/trace",
  ],
  "frontends/sagemaker": [
    "common",
    "core/faults",
    "core/inference-server.ts",
    "core/repository-registry.ts",
    "core/storage.ts",
    "core/tensor",
    "frontends/http1",
    "frontends/kserve-json",
  ],
  "frontends/metrics": ["common", "core/response-cache", "core/statistics", "frontends/http1"],
  "frontends/control": ["common", "core/faults", "core/memory", "journal", "frontends/http1"],
  "aws/wire": ["common", "frontends/http1"],
  "aws/s3": ["common", "frontends/http1", "aws/object-store", "aws/wire"],
  "aws/artifacts": ["common", "aws/object-store"],
  "aws/placement": ["common", "core/faults", "journal", "aws/artifacts"],
  "aws/cloudwatch": ["common", "aws/placement", "aws/wire"],
  "aws/autoscaling": ["common", "aws/cloudwatch", "aws/wire"],
  "aws/runtime": ["common", "core/faults", "frontends/http1", "journal", "aws/wire", "aws/placement"],
  "aws/sagemaker": [
    "common",
    "core/memory",
    "journal",
    "aws/object-store",
    "aws/wire",
    "aws/placement",
    "aws/runtime",
  ],
  "aws/containers": [
    "common",
    "core/memory",
    "core/model-lifecycle",
    "frontends/http1",
    "frontends/sagemaker",
    "journal",
    "aws/placement",
  ],
  simulation: [
    "common",
    "core/faults",
    "core/instance-chance.ts",
    "core/memory",
    "core/settings",
    "core/statistics",
    "core/triton-server.ts",
    "backends/faulty",
    "backends/synthetic",
    "frontends/sagemaker",
    "journal",
    "storage",
    "aws/containers",
  ],
  scenario: [
    "common",
    "core/faults",
    "core/memory",
    "core/triton-server.ts",
    "frontends/http1",
    "frontends/http",
    "frontends/sagemaker",
    "journal",
    "aws/wire",
    "aws/artifacts",
    "aws/placement",
    "aws/cloudwatch",
    "aws/autoscaling",
    "aws/runtime",
    "aws/sagemaker",
    "aws/containers",
    "simulation",
  ],
  config: ["common", "core/faults", "core/memory", "core/settings", "aws/containers", "aws/placement"],
  "composition/held-artifacts.ts": ["common", "aws/artifacts"],
  "composition/temporary-folder.ts": ["common"],
  "composition/multi-model-instance.ts": [
    "common",
    "core/faults",
    "core/memory",
    "journal",
    "aws/artifacts",
    "aws/containers",
    "aws/placement",
    "composition/held-artifacts.ts",
    "composition/temporary-folder.ts",
  ],
  "composition/multi-model-endpoint.ts": [
    "common",
    "config",
    "core/faults",
    "core/memory",
    "journal",
    "aws/artifacts",
    "aws/containers",
    "composition/multi-model-instance.ts",
  ],
  "composition/real-memory.ts": ["frontends/control"],
  "composition/emulator-port.ts": [
    "common",
    "core/faults",
    "core/memory",
    "frontends/control",
    "frontends/http1",
    "journal",
    "aws/wire",
    "composition/real-memory.ts",
  ],
  "composition/async-objects.ts": ["common", "aws/object-store", "aws/runtime"],
  "composition/aws-services.ts": [
    "common",
    "core/faults",
    "journal",
    "aws/wire",
    "aws/object-store",
    "aws/runtime",
    "composition/async-objects.ts",
  ],
  "composition/current-server.ts": ["core/inference-server.ts"],
  "composition/reset-models.ts": ["core/triton-server.ts"],
  "composition/triton-process.ts": [
    "common",
    "config",
    "core/backend.ts",
    "core/faults",
    "core/memory",
    "core/model-lifecycle",
    "core/settings",
    "core/statistics",
    "core/triton-server.ts",
    "backends/faulty",
    "backends/onnxruntime",
    "backends/synthetic",
    "storage",
  ],
  "composition/local-triton.ts": [
    "common",
    "config",
    "core/faults",
    "core/inference-server.ts",
    "core/triton-server.ts",
    "frontends/sagemaker",
    "journal",
    "aws/containers",
    "composition/current-server.ts",
    "composition/triton-process.ts",
  ],
  "composition/local-fleet.ts": [
    "common",
    "config",
    "core/faults",
    "core/memory",
    "aws/artifacts",
    "aws/containers",
    "aws/placement",
    "aws/sagemaker",
    "composition/multi-model-instance.ts",
    "composition/triton-process.ts",
    "composition/local-triton.ts",
  ],
  "composition/monitoring.ts": [
    "common",
    "journal",
    "aws/cloudwatch",
    "aws/autoscaling",
    "aws/runtime",
    "aws/sagemaker",
    "aws/wire",
  ],
  "composition/hosting.ts": [
    "common",
    "config",
    "aws/artifacts",
    "aws/object-store",
    "aws/s3",
    "aws/runtime",
    "aws/sagemaker",
    "aws/wire",
    "journal",
    "composition/temporary-folder.ts",
    "composition/monitoring.ts",
    "composition/multi-model-instance.ts",
    "composition/triton-process.ts",
    "composition/local-triton.ts",
    "composition/local-fleet.ts",
    "storage",
  ],
  "emulator.ts": [
    "common",
    "config",
    "core/backend.ts",
    "core/faults",
    "core/memory",
    "core/triton-server.ts",
    "frontends/control",
    "frontends/http",
    "frontends/grpc",
    "frontends/metrics",
    "frontends/sagemaker",
    "journal",
    "aws/containers",
    "composition/multi-model-endpoint.ts",
    "composition/emulator-port.ts",
    "composition/aws-services.ts",
    "composition/reset-models.ts",
    "composition/triton-process.ts",
    "composition/local-triton.ts",
    "composition/hosting.ts",
    "storage",
  ],
  "index.ts": ["config", "emulator.ts"],
  testing: [
    "common",
    "config",
    "core/faults",
    "core/memory",
    "journal",
    "aws/wire",
    "aws/placement",
    "emulator.ts",
  ],
  "parity/shipped-files.ts": [],
  "parity/exchange": ["frontends/grpc", "parity/shipped-files.ts"],
  "parity/real-triton": ["parity/shipped-files.ts"],
  "parity/targets": ["parity/exchange", "parity/real-triton"],
  "parity/cases": ["parity/shipped-files.ts", "parity/exchange", "parity/targets"],
  "parity/traffic": [
    "common",
    "frontends/grpc",
    "parity/shipped-files.ts",
    "parity/exchange",
    "parity/targets",
  ],
  "parity/difference": ["parity/shipped-files.ts", "parity/exchange", "parity/traffic"],
  "parity/pair.ts": ["parity/traffic"],
  "parity/started-pair.ts": ["parity/exchange", "parity/targets", "parity/traffic", "parity/pair.ts"],
  "parity/play-requests.ts": ["parity/exchange", "parity/traffic", "parity/difference", "parity/pair.ts"],
  "parity/plays": [
    "parity/targets",
    "parity/traffic",
    "parity/difference",
    "parity/pair.ts",
    "parity/started-pair.ts",
  ],
  "parity/side-by-side.ts": [],
  "parity/play-cases.ts": ["parity/targets", "parity/cases", "parity/side-by-side.ts"],
  "parity/report": [
    "parity/shipped-files.ts",
    "parity/targets",
    "parity/cases",
    "parity/traffic",
    "parity/difference",
    "parity/play-requests.ts",
    "parity/plays",
    "parity/play-cases.ts",
  ],
  "parity/parity.ts": [
    "parity/exchange",
    "parity/real-triton",
    "parity/targets",
    "parity/cases",
    "parity/traffic",
    "parity/difference",
    "parity/started-pair.ts",
    "parity/play-requests.ts",
    "parity/plays",
    "parity/play-cases.ts",
    "parity/report",
  ],
  "parity/recordings": [
    "parity/shipped-files.ts",
    "parity/side-by-side.ts",
    "parity/exchange",
    "parity/real-triton",
    "parity/targets",
    "parity/cases",
    "parity/traffic",
    "parity/difference",
    "parity/started-pair.ts",
    "parity/play-requests.ts",
  ],
  "parity/memory": [
    "common",
    "core/faults",
    "core/instance-chance.ts",
    "core/memory",
    "simulation",
    "storage",
    "scenario",
    "parity/shipped-files.ts",
    "parity/exchange",
    "parity/real-triton",
  ],
  cli: [
    "common",
    "config",
    "core/backend.ts",
    "core/memory",
    "emulator.ts",
    "journal",
    "scenario",
    "storage",
    "testing",
    "parity/real-triton",
    "parity/targets",
    "parity/traffic",
    "parity/report",
    "parity/plays",
    "parity/parity.ts",
    "parity/recordings",
  ],
  "main.ts": ["cli"],
};

/** The two files of common/ that read the machine's time; the core takes a Clock instead. */
const notForTheCore = ["common/system-clock.ts", "common/server-log.ts"];

/** What would make the core impure, and what an identifier of that name stands for. */
const impureGlobals = [
  "Date",
  "Math.random",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "performance",
  "process",
  "console",
  "fetch",
  "crypto",
  "await",
  "async",
  "Promise",
  "require",
];

interface Import {
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** Path below emulator/; null for a package. */
  readonly target: string | null;
}

type Sources = ReadonlyMap<string, string>;

const emulator = new URL("../../emulator/", import.meta.url);

const readSources = (): Sources =>
  new Map(
    readdirSync(emulator, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .sort()
      .map((path) => [path, readFileSync(new URL(path, emulator), "utf8")]),
  );

const importsOf = (path: string, source: string): Import[] =>
  [
    ...source.matchAll(
      /^(?:import|export)\s+(?:type\s)?(?:[\w$*{}\s,]*?\bfrom\s+)?"([^"]+)"|\bimport\s*\(\s*"([^"]+)"/gm,
    ),
  ].map((match) => {
    const specifier = match[1] ?? match[2] ?? "";
    return {
      line: source.slice(0, match.index + match[0].length).split("\n").length,
      specifier,
      target: specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : null,
    };
  });

const partOf = (path: string): string => {
  const [first = "", second] = path.split("/");
  return second !== undefined &&
    ["aws", "composition", "core", "frontends", "backends", "parity"].includes(first)
    ? `${first}/${second}`
    : first;
};

const wrongImports = (sources: Sources): string[] =>
  [...sources].flatMap(([path, source]) => {
    const part = partOf(path);
    const allowed = mayImport[part];
    if (allowed === undefined) return [`emulator/${path}: ${part} has no row in the table of imports`];
    return importsOf(path, source).flatMap(({ line, specifier, target }) => {
      const at = `emulator/${path}:${line}`;
      const inCore = part.startsWith("core/");
      if (target === null) {
        return inCore || part === "common" ? [`${at}: ${part} imports the package ${specifier}`] : [];
      }
      if (inCore && notForTheCore.includes(target)) return [`${at}: the core imports ${target}`];
      const other = partOf(target);
      return other === part || allowed.includes(other) ? [] : [`${at}: ${part} imports ${other}`];
    });
  });

/** Each cycle once, as a path of files; types alone make one too. */
const cycles = (sources: Sources): string[] => {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push([...trail.slice(start), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const { target } of importsOf(path, sources.get(path) ?? "")) {
      if (target !== null) walk(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of sources.keys()) walk(path, []);
  return found;
};

/** Comments and the text of strings become spaces; lines stay lines. */
const codeOnly = (source: string): string =>
  source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, (text) =>
    text.replace(/[^\n]/g, " "),
  );

const impurities = (sources: Sources): string[] =>
  [...sources].flatMap(([path, source]) => {
    if (!path.startsWith("core/")) return [];
    return codeOnly(source)
      .split("\n")
      .flatMap((text, index) =>
        impureGlobals
          .filter((name) =>
            new RegExp(`(?<![\\w.#$])${name.replace(".", "\\.")}(?![\\w$])(?!\\s*[?:](?!:))`).test(text),
          )
          .map((name) => `emulator/${path}:${index + 1}: ${name}`),
      );
  });

test("imports: go downward only, and the core and common import no package", () => {
  expect(wrongImports(readSources())).toEqual([]);
});

test("imports: the table itself goes downward only", () => {
  const order = Object.keys(mayImport);
  const upward = order.flatMap((part, index) =>
    (mayImport[part] ?? [])
      .filter((other) => order.indexOf(other) >= index)
      .map((other) => `${part} -> ${other}`),
  );
  expect(upward).toEqual([]);
});

test("imports: the table has a row for what is there, and for nothing else", () => {
  const parts = new Set([...readSources().keys()].map(partOf));
  expect([...parts].sort()).toEqual(Object.keys(mayImport).sort());
});

test("imports: make no cycle between files", () => {
  expect(cycles(readSources())).toEqual([]);
});

test("core: reads no time, chance, process or network of its own, and awaits nothing", () => {
  expect(impurities(readSources())).toEqual([]);
});

test("checks: find what they are there for, with file and line", () => {
  const sources: Sources = new Map([
    [
      "core/scheduler/a.ts",
      'import {\n  x,\n} from "../model-lifecycle/b.ts";\nimport { readFile } from "node:fs";\n',
    ],
    [
      "core/model-lifecycle/b.ts",
      'import { y } from "../scheduler/a.ts";\nconst now = Date.now();\n// Date\n',
    ],
    ["frontends/http/c.ts", 'import "express";\nconst g = await import("../grpc/d.ts");\n'],
    [
      "core/tensor/e.ts",
      '\nimport { SystemClock } from "../../common/system-clock.ts";\nconst process = "Date";',
    ],
    ["other/f.ts", ""],
  ]);
  expect(wrongImports(sources)).toEqual([
    "emulator/core/scheduler/a.ts:3: core/scheduler imports core/model-lifecycle",
    "emulator/core/scheduler/a.ts:4: core/scheduler imports the package node:fs",
    "emulator/frontends/http/c.ts:2: frontends/http imports frontends/grpc",
    "emulator/core/tensor/e.ts:2: the core imports common/system-clock.ts",
    "emulator/other/f.ts: other has no row in the table of imports",
  ]);
  expect(cycles(sources)).toEqual([
    "core/scheduler/a.ts -> core/model-lifecycle/b.ts -> core/scheduler/a.ts",
  ]);
  expect(impurities(sources)).toEqual([
    "emulator/core/model-lifecycle/b.ts:2: Date",
    "emulator/core/tensor/e.ts:3: process",
  ]);
});
