import { fail, ok, type Result } from "../../common/status.ts";
import { parseByteSize } from "./byte-size.ts";

/** A number and where it comes from: measured, documented, a thread, assumed. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: string;
}

type Numbers<K extends string> = { readonly [P in K]: Sourced<number> };

const stubKeys = [
  "private_bytes",
  "first_run_bytes",
  "kernel_bytes",
  "server_bytes",
  "shm_bytes",
  "file_bytes",
] as const;
const cudaKeys = ["host_bytes", "gpu_bytes"] as const;
const weightsKeys = ["inline_factor", "inline_without_arena_factor", "external_factor"] as const;
const retainedKeys = [
  "residue_bytes_per_unload",
  "residue_limit_bytes",
  "residue_fraction_per_unload",
  "gpu_residue_fraction_per_unload",
  "residue_reused_fraction",
  "leak_bytes_per_unload",
  "leak_bytes_per_failed_load",
] as const;
const serverKeys = [
  "private_bytes",
  "kernel_bytes",
  "file_bytes",
  "pinned_pool_bytes",
  "cuda_context_bytes",
  "cuda_pool_bytes",
  "response_cache_entry_bytes",
  "response_cache_leak_bytes",
  "second_kill_after_us",
  "longest_reclaim_us",
  "freeze_band_bytes",
] as const;

/** What one backend costs beside the bytes that its models ask for. */
export interface BackendProfile {
  readonly backend: string;
  /** Of each instance's own process; null where instances live in tritonserver. */
  readonly stub: Numbers<(typeof stubKeys)[number]> | null;
  /** First model of the backend in a process: libraries and environment, until the process ends. */
  readonly library: Numbers<"host_bytes">;
  /** First use of a GPU by a process: until the process ends. */
  readonly cuda: Numbers<(typeof cudaKeys)[number]>;
  /** Bytes a session holds per byte of the model's files; null = the model states what it holds. */
  readonly weights: Numbers<(typeof weightsKeys)[number]> | null;
  /**
   * What stays in tritonserver after an instance is gone. Residue on the host: so many bytes and that part of what was given
   * back, up to a limit over all instances; on a GPU a part. Of either the next load of the backend uses a part again. A leak
   * is on the GPU where the instance held bytes of one, else on the host.
   */
  readonly retained: Numbers<(typeof retainedKeys)[number]>;
  /**
   * What the backend says when a GPU has no room. `{bytes}` asked for, `{gpu}` index, `{instance}` name; `{size}`, `{total}`
   * and `{free}` for people.
   */
  readonly device_failure: Sourced<string>;
  /** The same in a run, where it differs; null = the same words. */
  readonly device_failure_at_run: Sourced<string> | null;
  /**
   * The same, at a load and in a run, when an instance would hold more of a GPU than its `gpu_mem_limit`; `{left}` bytes of
   * that are left. null = the backend has no such limit.
   */
  readonly limit_failure: Sourced<string> | null;
  readonly limit_failure_at_run: Sourced<string> | null;
}

/** tritonserver itself, and how the kernel behaves when its container is full. */
export type ServerProfile = Numbers<(typeof serverKeys)[number]>;

export interface MemoryProfiles {
  readonly server: ServerProfile;
  readonly backends: ReadonlyMap<string, BackendProfile>;
}

/** One file: tritonserver's or a backend's. */
export type ProfileFile =
  | { readonly kind: "server"; readonly profile: ServerProfile }
  | { readonly kind: "backend"; readonly profile: BackendProfile };

type Fields = Readonly<Record<string, unknown>>;

class ProfileError extends Error {}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const fields = (value: unknown, where: string, allowed: readonly string[]): Fields => {
  if (!isFields(value)) throw new ProfileError(`${where} is missing or no mapping`);
  const unknown = Object.keys(value).find((key) => !allowed.includes(key));
  if (unknown !== undefined) throw new ProfileError(`${where}.${unknown} is not known`);
  return value;
};

const sourceOf = (entry: Fields, where: string): string => {
  const { source } = entry;
  if (typeof source === "string" && source.trim() !== "") return source;
  throw new ProfileError(`${where}.source is missing`);
};

const numberAt = (owner: Fields, key: string, where: string): Sourced<number> => {
  const path = `${where}.${key}`;
  const entry = fields(owner[key], path, ["value", "source"]);
  const { value } = entry;
  const number = typeof value === "string" && key.includes("bytes") ? parseByteSize(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number)) {
    throw new ProfileError(`${path}.value is missing or no number: ${String(value)}`);
  }
  if (number < 0) throw new ProfileError(`${path}.value is negative: ${number}`);
  if (key.includes("bytes") && !Number.isSafeInteger(number)) {
    throw new ProfileError(`${path}.value is not a whole number of bytes: ${number}`);
  }
  if (key.includes("_fraction") && number > 1) throw new ProfileError(`${path}.value is above 1: ${number}`);
  return { value: number, source: sourceOf(entry, path) };
};

const numbersAt = <K extends string>(value: unknown, where: string, keys: readonly K[]): Numbers<K> => {
  const owner = fields(value, where, keys);
  const numbers: Partial<Record<K, Sourced<number>>> = {};
  for (const key of keys) numbers[key] = numberAt(owner, key, where);
  return complete(numbers, keys);
};

const complete = <K extends string>(numbers: Partial<Record<K, Sourced<number>>>, keys: readonly K[]) => {
  const isComplete = (all: Partial<Record<K, Sourced<number>>>): all is Record<K, Sourced<number>> =>
    keys.every((key) => all[key] !== undefined);
  if (!isComplete(numbers)) throw new Error("a number was not read");
  return numbers;
};

const placeholders = ["bytes", "gpu", "instance", "size", "total", "free", "left"];

const failureAt = (value: unknown, where: string): Sourced<string> => {
  const entry = fields(value, where, ["value", "source"]);
  const text = entry.value;
  if (typeof text !== "string" || text === "") throw new ProfileError(`${where}.value is missing or no text`);
  const wrong = [...text.matchAll(/\{(\w*)\}/g)].find((match) => !placeholders.includes(match[1] ?? ""));
  if (wrong !== undefined) throw new ProfileError(`${where}.value: ${wrong[0]} is not known`);
  return { value: text, source: sourceOf(entry, where) };
};

const backendKeys = [
  "backend",
  "stub",
  "library",
  "cuda",
  "weights",
  "retained",
  "device_failure",
  "device_failure_at_run",
  "limit_failure",
  "limit_failure_at_run",
];

const backendProfile = (value: Fields, where: string): BackendProfile => {
  const file = fields(value, where, backendKeys);
  const { backend } = file;
  const textAt = (key: "device_failure_at_run" | "limit_failure" | "limit_failure_at_run") =>
    file[key] === undefined ? null : failureAt(file[key], `${where}.${key}`);
  if (typeof backend !== "string" || backend === "") throw new ProfileError(`${where}.backend is no name`);
  return {
    backend,
    stub: file.stub === undefined ? null : numbersAt(file.stub, `${where}.stub`, stubKeys),
    library: numbersAt(file.library, `${where}.library`, ["host_bytes"]),
    cuda: numbersAt(file.cuda, `${where}.cuda`, cudaKeys),
    weights: file.weights === undefined ? null : numbersAt(file.weights, `${where}.weights`, weightsKeys),
    retained: numbersAt(file.retained, `${where}.retained`, retainedKeys),
    device_failure: failureAt(file.device_failure, `${where}.device_failure`),
    device_failure_at_run: textAt("device_failure_at_run"),
    limit_failure: textAt("limit_failure"),
    limit_failure_at_run: textAt("limit_failure_at_run"),
  };
};

/**
 * A profile from an already read YAML document: `server:` with tritonserver's numbers, or `backend: <name>` with a
 * backend's. Sizes are bytes or texts such as `30 MiB`; every number is `{ value, source }`.
 * @param where how messages name the file
 */
export const parseProfile = (document: unknown, where: string): Result<ProfileFile> => {
  try {
    if (!isFields(document)) throw new ProfileError(`${where} is no mapping`);
    if ("server" in document) {
      const { server } = fields(document, where, ["server"]);
      return ok({ kind: "server", profile: numbersAt(server, `${where}.server`, serverKeys) });
    }
    return ok({ kind: "backend", profile: backendProfile(document, where) });
  } catch (error) {
    if (error instanceof ProfileError) return fail("INVALID_ARG", `memory profile: ${error.message}`);
    throw error;
  }
};

/** Puts files together; a later one replaces an earlier one for the same backend. tritonserver's must be among them. */
export const combineProfiles = (files: readonly ProfileFile[]): Result<MemoryProfiles> => {
  let server: ServerProfile | null = null;
  const backends = new Map<string, BackendProfile>();
  for (const file of files) {
    if (file.kind === "server") server = file.profile;
    else backends.set(file.profile.backend, file.profile);
  }
  if (server === null) return fail("INVALID_ARG", "memory profile: none is of the server");
  return ok({ server, backends });
};
