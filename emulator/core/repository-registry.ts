import type { Result, TritonError } from "../common/status.ts";
import type { RepositoryIndexRow } from "./inference-server.ts";

/**
 * Model repositories that come and go while the server runs, in mode explicit (else UNSUPPORTED). Clients have no call for
 * it; front ends may use it.
 */
export interface RepositoryRegistry {
  /**
   * Adds a repository. Nothing is loaded by it.
   * Errors, in this order: INVALID_ARG `failed to register '<path>', repository not found`; ALREADY_EXISTS for a path that
   * is registered, or a name that another repository maps (spec/triton-core.md 1.4).
   * @param served subfolder -> the name its model is served by. The folder's own name, and the name in its configuration,
   *   then mean nothing any more.
   */
  registerRepository(
    path: string,
    served: ReadonlyMap<string, string>,
    done: (error: TritonError | null) => void,
  ): void;
  /**
   * Takes a repository away, its names with it. Nothing is unloaded by it: what is loaded keeps serving and only leaves
   * the index. Error: INVALID_ARG `failed to unregister '<path>', repository not found`.
   */
  unregisterRepository(path: string): TritonError | null;
  /**
   * The rows with a state that the index has for one name, without a look at the other models.
   * @param done as `InferenceServer.repositoryIndex`
   */
  repositoryIndexOf(model: string, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void;
}
