import { expect, test } from "vitest";
import { ProtobufReader } from "../../../../emulator/common/protobuf-wire.ts";
import { configsEqual } from "../../../../emulator/core/model-config/compare.ts";
import { configToJson } from "../../../../emulator/core/model-config/config-json.ts";
import { parseConfigJson } from "../../../../emulator/core/model-config/config-override.ts";
import { configToProtobuf } from "../../../../emulator/core/model-config/config-protobuf.ts";
import { emptyModelConfig } from "../../../../emulator/core/model-config/message.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";
import { recordedProtobuf } from "./recorded.ts";

/** The fields of a message, sub-messages and maps by their bytes; map entries may come in any order. */
const fieldsOf = (bytes: Uint8Array): string[] => {
  const reader = new ProtobufReader(bytes);
  const fields: string[] = [];
  while (reader.next()) {
    const start = reader.position;
    reader.skip();
    fields.push(`${reader.field}: ${Buffer.from(bytes.subarray(start, reader.position)).toString("hex")}`);
  }
  return fields;
};

test("protobuf and JSON: text, JSON and bytes of a random configuration are the same configuration", () => {
  expect(recordedProtobuf.length).toBeGreaterThan(20);
  for (const { text, json, bytes } of recordedProtobuf) {
    const fromText = parseConfigText(text);
    const fromJson = parseConfigJson(json);
    if (!fromText.ok) throw fromText.error;
    if (!fromJson.ok) throw fromJson.error;
    expect(configsEqual(fromText.value, fromJson.value)).toBe(true);
    const written = fieldsOf(configToProtobuf(fromText.value));
    const expected = fieldsOf(Buffer.from(bytes, "base64"));
    expect(written.length).toBe(expected.length);
    const readBack = parseConfigJson(configToJson(fromText.value));
    expect(readBack.ok && configsEqual(readBack.value, fromText.value)).toBe(true);
  }
});

test("protobuf: equals the bytes of protobuf itself, when no map has two entries", () => {
  const oneEntryEach = recordedProtobuf.filter(({ text }) => {
    const config = parseConfigText(text);
    return config.ok && mapSizes(config.value).every((size) => size <= 1);
  });
  expect(oneEntryEach.length).toBeGreaterThan(5);
  for (const { text, bytes } of oneEntryEach) {
    const config = parseConfigText(text);
    if (!config.ok) throw config.error;
    expect(Buffer.from(configToProtobuf(config.value)).toString("base64")).toBe(bytes);
  }
});

test("protobuf: writes nothing, when nothing is set", () => {
  expect(configToProtobuf(emptyModelConfig())).toHaveLength(0);
});

const mapSizes = (value: unknown): number[] => {
  if (value instanceof Map) return [value.size, ...[...value.values()].flatMap(mapSizes)];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(mapSizes);
};
