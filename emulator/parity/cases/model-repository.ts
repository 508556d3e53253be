import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { conformanceFolder, sampleModelsFolder } from "../shipped-files.ts";
import type { CaseModel, ConformanceCase } from "./conformance-case.ts";

export const modelFile = (name: string): string =>
  fileURLToPath(new URL(`models/${name}`, conformanceFolder));

/** A folder of its own, gone when disposed of. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

export const temporaryFolder = (): TemporaryFolder => {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "conformance-")));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
};

/** The folders of these models in a repository that others use too. */
export const modelFolders = (path: string, models: readonly string[]): TemporaryFolder => ({
  path,
  [Symbol.dispose]: () => {
    for (const model of models) rmSync(join(path, model), { recursive: true, force: true });
  },
});

/** Writes the models of a case into `repository`. */
export const layOutModels = (
  { id, models }: Pick<ConformanceCase, "id" | "models">,
  repository: string,
  hasPython: boolean,
): void => {
  for (const [name, model] of Object.entries(models)) {
    if (model.absent === true) continue;
    const folder = model.path ?? join(repository, name);
    mkdirSync(folder, { recursive: true });
    layOutModel(model, folder);
    // A Python that imports a model for the first time writes byte code into its folder, which counts as a change.
    if (id === "lifecycle-08") continue;
    if (hasPython) compileByteCode(folder);
    else
      for (const version of model.versions ?? ["1"])
        if (model.code !== undefined) writeByteCode(join(folder, version));
  }
};

const layOutModel = (model: CaseModel, folder: string): void => {
  if (model.sample !== undefined) {
    cpSync(fileURLToPath(new URL(model.sample, sampleModelsFolder)), folder, {
      recursive: true,
    });
    return;
  }
  if (model.config !== undefined) writeFileSync(join(folder, "config.pbtxt"), model.config);
  const put = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  for (const version of model.versions ?? ["1"]) {
    mkdirSync(join(folder, version), { recursive: true });
    if (model.code !== undefined) cpSync(modelFile(model.code), join(folder, version, "model.py"));
    if (typeof model.onnx === "string")
      cpSync(modelFile(`onnx/${model.onnx}`), join(folder, version, "model.onnx"));
  }
  if (typeof model.onnx === "object")
    for (const [path, file] of Object.entries(model.onnx)) put(path, readFileSync(modelFile(`onnx/${file}`)));
  for (const [path, text] of Object.entries(model.files ?? {}))
    put(path, text.startsWith("= ") ? readFileSync(modelFile(text.slice(2))) : Buffer.from(text));
};

/** Where Python 3.11 keeps the byte code of `model.py`; stands in for what a Python would write. */
export const writeByteCode = (versionFolder: string): void => {
  const file = join(versionFolder, "__pycache__", "model.cpython-311.pyc");
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "");
};

const compileByteCode = (folder: string): void => {
  const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
  execFileSync(python, ["-m", "compileall", "-q", folder]);
};
