import { createHash } from "node:crypto";
import { type PlatformError, platformErrors } from "./platform-answer.ts";

const LONGEST = 1024;

/** Null = it may be looked for. The limits are those of InvokeEndpoint (spec/sagemaker-mme.md 2.1); a key leads nowhere but down. */
export const refuseTargetModel = (targetModel: string, requestId: string): PlatformError | null => {
  if (targetModel === "") return platformErrors.targetModelMissing(requestId);
  const wrong = (what: string): PlatformError => platformErrors.targetModelInvalid(targetModel, what);
  if (targetModel.length > LONGEST)
    return wrong(`it has ${targetModel.length} characters, at most ${LONGEST} are allowed`);
  if (!/^[!-~][ -~]*$/.test(targetModel))
    return wrong("it has to be printable ASCII and must not begin with a space");
  if (targetModel.startsWith("/")) return wrong("it is absolute; give the key below the model data prefix");
  if (targetModel.split("/").some((part) => part === ".." || part === ".")) {
    return wrong("it has '.' or '..' in its path; give the key below the model data prefix as it is");
  }
  return null;
};

/** The container's name for a model: one for each key, the same after a reload. The real algorithm is not known. */
export const modelNameOf = (targetModel: string): string =>
  createHash("sha256").update(targetModel).digest("hex").slice(0, 32);
