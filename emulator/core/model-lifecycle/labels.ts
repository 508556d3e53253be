import { fail, ok, type Result } from "../../common/status.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { ModelFolder, Storage } from "../storage.ts";

/** The labels of each output that has them: one label a line, by line number. */
export type Labels = ReadonlyMap<string, readonly string[]>;

/** Reads the label files of all outputs. Error: INTERNAL for a file that cannot be read, or two of one output. */
export const readLabels = (
  storage: Storage,
  config: ModelConfig,
  folder: ModelFolder,
  done: (result: Result<Labels>) => void,
): void => {
  const labels = new Map<string, readonly string[]>();
  const outputs = config.output.filter((output) => output.label_filename !== "");
  const next = (index: number): void => {
    const output = outputs[index];
    if (output === undefined) {
      done(ok(labels));
      return;
    }
    storage.readFile(`${folder.path}/${output.label_filename}`, (read) => {
      if (!read.ok) {
        done(read);
        return;
      }
      if (labels.has(output.name)) {
        done(fail("INTERNAL", `multiple label files for '${output.name}'`));
        return;
      }
      labels.set(output.name, new TextDecoder().decode(read.value).split("\n"));
      next(index + 1);
    });
  };
  next(0);
};
