import { ProtobufWriter } from "../../../common/protobuf-wire.ts";
import type { ModelStatistics, StatisticDuration } from "../../../core/statistics/model-statistics.ts";
import { writeString, writeUint } from "./fields.ts";

/** A `ModelStatisticsResponse`. Durations are there even when they are zero. */
export const encodeModelStatistics = (statistics: readonly ModelStatistics[]): Uint8Array => {
  const writer = new ProtobufWriter(1024);
  for (const model of statistics) writer.message(1, (inner) => writeModel(inner, model));
  return writer.finish();
};

const writeModel = (writer: ProtobufWriter, model: ModelStatistics): void => {
  writeString(writer, 1, model.name);
  writeString(writer, 2, model.version);
  writeUint(writer, 3, model.last_inference);
  writeUint(writer, 4, model.inference_count);
  writeUint(writer, 5, model.execution_count);
  const { inference_stats: stats } = model;
  writer.message(6, (inner) => {
    writeDuration(inner, 1, stats.success);
    writeDuration(inner, 2, stats.fail);
    writeDuration(inner, 3, stats.queue);
    writeDuration(inner, 4, stats.compute_input);
    writeDuration(inner, 5, stats.compute_infer);
    writeDuration(inner, 6, stats.compute_output);
    writeDuration(inner, 7, stats.cache_hit);
    writeDuration(inner, 8, stats.cache_miss);
  });
  for (const batch of model.batch_stats) {
    writer.message(7, (inner) => {
      writeUint(inner, 1, batch.batch_size);
      writeDuration(inner, 2, batch.compute_input);
      writeDuration(inner, 3, batch.compute_infer);
      writeDuration(inner, 4, batch.compute_output);
    });
  }
};

const writeDuration = (writer: ProtobufWriter, field: number, { count, ns }: StatisticDuration): void => {
  const start = writer.beginMessage(field);
  writeUint(writer, 1, count);
  writeUint(writer, 2, ns);
  writer.endMessage(start);
};
