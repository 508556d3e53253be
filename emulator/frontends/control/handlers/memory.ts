import type { Allocation, ProcessState } from "../../../core/memory/ledger.ts";
import { modelName } from "../../../journal/server-events.ts";
import { type ControlCall, refuse } from "../control-call.ts";
import { jsonReply } from "../control-reply.ts";
import type { InstanceMemory, MemoryView } from "../target.ts";

/**
 * The ledgers by pool, process and model; every allocation where `allocations` or a `model` is asked for. What was measured
 * stands beside them.
 */
export const memory = ({ exchange, target, query }: ControlCall): void =>
  target.memory((view) => answer(exchange, query, view));

const answer = (
  exchange: ControlCall["exchange"],
  query: ControlCall["query"],
  { instances, real }: MemoryView,
): void => {
  const model = query.get("model");
  const asked = query.get("instance");
  const shown = asked === null ? instances : instances.filter(({ instance }) => instance === asked);
  if (asked !== null && shown.length === 0) {
    refuse(exchange, {
      status: 404,
      code: "unknown-instance",
      message: `there is no instance '${asked}' whose memory is emulated`,
      howToFix: `there are ${instances.map(({ instance }) => instance).join(", ") || "none"}`,
    });
    return;
  }
  const everything = query.has("allocations") && query.get("allocations") !== "false";
  exchange.reply(
    jsonReply({
      instances: shown.map((instance) => instanceJson(instance, model, everything)),
      ...(instances.length === 0 ? { note: "no machine is emulated: start with --machine" } : {}),
      real,
    }),
  );
};

const instanceJson = ({ instance, ledger }: InstanceMemory, model: string | null, everything: boolean) => {
  const all = ledger.allocations();
  const allocations = model === null ? all : all.filter(({ owner }) => modelName(owner.model) === model);
  return {
    instance,
    machine: ledger.machine.name,
    pools: ledger.pools().map(({ pool, capacityBytes, reserveBytes, usedBytes, highWaterBytes }) => ({
      pool,
      capacityBytes,
      reserveBytes,
      usedBytes,
      freeBytes: capacityBytes - reserveBytes - usedBytes,
      highWaterBytes,
      byKind: sums(
        all.filter((allocation) => allocation.pool === pool),
        ({ kind }) => kind,
      ),
    })),
    processes: ledger
      .processes()
      .filter(({ owner }) => model === null || modelName(owner?.model) === model)
      .map(processJson),
    models: modelsOf(allocations),
    ...(everything || model !== null ? { allocations: allocations.map(allocationJson) } : {}),
  };
};

const processJson = ({ name, owner, residentBytes, bytes }: ProcessState) => ({
  name,
  model: modelName(owner?.model) ?? null,
  residentBytes,
  byPool: Object.fromEntries(bytes),
});

/** Residue and leaks are named after the model that left them. */
const modelsOf = (allocations: readonly Allocation[]) => {
  const byModel = new Map<string, Allocation[]>();
  for (const allocation of allocations) {
    const model = modelName(allocation.owner.model);
    if (model === undefined) continue;
    const known = byModel.get(model);
    if (known === undefined) byModel.set(model, [allocation]);
    else known.push(allocation);
  }
  return [...byModel].map(([model, own]) => ({
    model,
    byPool: sums(own, ({ pool }) => pool),
    byKind: sums(own, ({ kind }) => kind),
  }));
};

const allocationJson = ({ owner, process, pool, kind, bytes, cause, takenUs }: Allocation) => ({
  ...owner,
  ...(owner.model === undefined ? {} : { model: modelName(owner.model) }),
  process,
  pool,
  kind,
  bytes,
  cause,
  takenUs,
});

const sums = (allocations: readonly Allocation[], key: (allocation: Allocation) => string) => {
  const total: Record<string, number> = {};
  for (const allocation of allocations) {
    const name = key(allocation);
    total[name] = (total[name] ?? 0) + allocation.bytes;
  }
  return total;
};
