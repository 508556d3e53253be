import {
  anything,
  boolean,
  double,
  enumeration,
  integer,
  list,
  type Read,
  readInput,
  required,
  type Shape,
  string,
  structure,
} from "../wire/shapes.ts";
import { arnOf, type ResourceKind } from "./arns.ts";
import { createEndpointConfigShape, createModelShape, type Tag } from "./input-shapes.ts";
import { ListIndex, type Named } from "./listing.ts";
import type { StateStore } from "./state-store.ts";

const modelRecord = structure({ createdMs: required(double()), input: required(createModelShape) });

const endpointConfigRecord = structure({
  createdMs: required(double()),
  input: required(createEndpointConfigShape),
});

const deployment = structure({
  /** As it was when the endpoint was created or updated: what becomes of the original changes nothing. */
  config: required(createEndpointConfigShape),
  /** Those of its variants. */
  models: required(list(createModelShape)),
  /** What is asked of each variant, shadow variants included. */
  capacities: required(
    list(structure({ variant: required(string()), weight: required(double()), count: required(integer()) })),
  ),
  deploymentConfig: anything(),
});

const endpointRecord = structure({
  name: required(string()),
  createdMs: required(double()),
  modifiedMs: required(double()),
  /** `failed` and `deleting` are for good. */
  state: required(enumeration(["active", "failed", "deleting"])),
  failureReason: string(),
  hasServed: required(boolean()),
  deployment: required(deployment),
});

const tagsRecord = structure({
  tags: required(list(structure({ Key: required(string()), Value: required(string()) }))),
});

export type ModelRecord = Read<typeof modelRecord>;
export type EndpointConfigRecord = Read<typeof endpointConfigRecord>;
export type EndpointRecord = Read<typeof endpointRecord>;
export type Deployment = Read<typeof deployment>;

/** Records of one kind, by region and name. */
interface Kept<T> {
  readonly shape: Shape<T>;
  readonly records: Map<string, T>;
  /** By region. */
  readonly indexes: Map<string, ListIndex>;
  /** Null = there are no lists of them. */
  named(record: T): Named | null;
}

const newKept = <T>(shape: Shape<T>, named: (record: T) => Named | null): Kept<T> => ({
  shape,
  records: new Map(),
  indexes: new Map(),
  named,
});

interface Kinds {
  readonly model: ModelRecord;
  readonly "endpoint-config": EndpointConfigRecord;
  readonly endpoint: EndpointRecord;
  readonly tags: Read<typeof tagsRecord>;
}

const entryShape = structure({
  kind: required(enumeration(["model", "endpoint-config", "endpoint", "tags"])),
  key: required(string()),
  /** Absent = deleted. */
  record: anything(),
});

/** So many lines that say nothing any more, and the store is written anew. */
const STALE_LINES = 1000;

/** What was created and not deleted. A change is in the store before it shows. */
export class Registry {
  readonly #store: StateStore;
  readonly #kinds: { readonly [K in keyof Kinds]: Kept<Kinds[K]> } = {
    model: newKept(modelRecord, ({ input, createdMs }) => ({ name: input.ModelName, createdMs })),
    "endpoint-config": newKept(endpointConfigRecord, ({ input, createdMs }) => ({
      name: input.EndpointConfigName,
      createdMs,
    })),
    endpoint: newKept(endpointRecord, ({ name, createdMs }) => ({ name, createdMs })),
    tags: newKept(tagsRecord, () => null),
  };
  #lines = 0;

  /** @throws an error that says which entry of the store cannot be read */
  constructor(store: StateStore) {
    this.#store = store;
    const entries = store.read();
    for (const [index, entry] of entries.entries()) {
      try {
        this.#replay(entry);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`the state of the control plane cannot be read: line ${index + 1}: ${why}`);
      }
    }
    this.#compact();
  }

  get<K extends ResourceKind>(kind: K, region: string, name: string): Kinds[K] | undefined {
    return this.#kinds[kind].records.get(keyOf(kind, region, name));
  }

  /** Of what there is of a kind in a region; it goes on with every change. */
  index(kind: ResourceKind, region: string): ListIndex {
    return indexOf(this.#kinds[kind].indexes, region);
  }

  /** Of all regions, in the order they were created. */
  endpoints(): { readonly region: string; readonly record: EndpointRecord }[] {
    return [...this.#kinds.endpoint.records].map(([key, record]) => ({
      region: regionOf(key),
      record,
    }));
  }

  put<K extends ResourceKind>(kind: K, region: string, name: string, record: Kinds[K]): void {
    this.#put(kind, keyOf(kind, region, name), record);
  }

  /** Its tags go too. */
  delete(kind: ResourceKind, region: string, name: string): void {
    this.#delete(kind, keyOf(kind, region, name));
    this.setTags(arnOf(region, kind, name), []);
  }

  tags(arn: string): readonly Tag[] {
    return this.#kinds.tags.records.get(arn)?.tags ?? [];
  }

  /** To be set before the resource itself is put: tags of what is not there do no harm. */
  setTags(arn: string, tags: readonly Tag[]): void {
    if (tags.length > 0) this.#put("tags", arn, { tags });
    else if (this.#kinds.tags.records.has(arn)) this.#delete("tags", arn);
  }

  close(): void {
    this.#store.close();
  }

  #put<K extends keyof Kinds>(kind: K, key: string, record: Kinds[K]): void {
    this.#store.append({ kind, key, record });
    const kept: Kept<unknown> = this.#kinds[kind];
    keep(kept, key, record);
    this.#wrote();
  }

  #delete(kind: keyof Kinds, key: string): void {
    this.#store.append({ kind, key });
    const kept: Kept<unknown> = this.#kinds[kind];
    forget(kept, key);
    this.#wrote();
  }

  #wrote(): void {
    this.#lines++;
    if (this.#lines > 2 * this.#size + STALE_LINES) this.#compact();
  }

  get #size(): number {
    return Object.values(this.#kinds).reduce((sum, { records }) => sum + records.size, 0);
  }

  #replay(entry: unknown): void {
    const { kind, key, record } = readInput(entryShape, entry, "json");
    const kept: Kept<unknown> = this.#kinds[kind];
    if (record === undefined) forget(kept, key);
    else keep(kept, key, readInput(kept.shape, record, "json"));
  }

  #compact(): void {
    const entries = Object.entries(this.#kinds).flatMap(([kind, { records }]) =>
      [...records].map(([key, record]) => ({ kind, key, record })),
    );
    this.#store.replace(entries);
    this.#lines = entries.length;
  }
}

/** "The name is case-insensitive in CreateEndpoint" (API reference of CreateEndpoint). */
const keyOf = (kind: ResourceKind, region: string, name: string): string =>
  `${region}/${kind === "endpoint" ? name.toLowerCase() : name}`;

const regionOf = (key: string): string => key.slice(0, key.indexOf("/"));

const indexOf = (indexes: Map<string, ListIndex>, region: string): ListIndex => {
  const there = indexes.get(region);
  if (there !== undefined) return there;
  const index = new ListIndex();
  indexes.set(region, index);
  return index;
};

const keep = <T>(kind: Kept<T>, key: string, record: T): void => {
  unlist(kind, key);
  kind.records.set(key, record);
  const named = kind.named(record);
  if (named !== null) indexOf(kind.indexes, regionOf(key)).add(named);
};

const forget = <T>(kind: Kept<T>, key: string): void => {
  unlist(kind, key);
  kind.records.delete(key);
};

const unlist = <T>(kind: Kept<T>, key: string): void => {
  const record = kind.records.get(key);
  const named = record === undefined ? null : kind.named(record);
  if (named !== null) indexOf(kind.indexes, regionOf(key)).remove(named);
};
