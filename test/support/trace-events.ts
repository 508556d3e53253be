interface TraceEvent {
  readonly id: number;
  readonly timestamps?: readonly [{ readonly name: string; readonly ns: number }];
  readonly activity?: string;
  readonly tensor?: { readonly name: string; readonly data: string };
  readonly request_id?: string;
}

/** The events of a trace file in short: `1 REQUEST_START`, `1 TENSOR_QUEUE_INPUT IN=5`, `1 request r`. */
export const traceEvents = (file: string | undefined): string[] => {
  const events: TraceEvent[] = JSON.parse(file ?? "[]");
  return events.map(({ id, timestamps, activity, tensor, request_id }) => {
    if (timestamps !== undefined) return `${id} ${timestamps[0].name}`;
    return tensor === undefined
      ? `${id} request ${request_id}`
      : `${id} ${activity} ${tensor.name}=${tensor.data}`;
  });
};

/** The times in nanoseconds of a trace file with one trace, by event. */
export const traceTimes = (file: string | undefined): Record<string, number> => {
  const events: TraceEvent[] = JSON.parse(file ?? "[]");
  return Object.fromEntries(
    events.flatMap(({ timestamps }) => (timestamps ?? []).map(({ name, ns }) => [name, ns])),
  );
};
