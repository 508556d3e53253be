import { upToNul } from "../../../common/c-string.ts";
import { type ProtobufReader, ProtobufWriter } from "../../../common/protobuf-wire.ts";
import type { LogSettings } from "../../../core/settings/log-settings.ts";
import { shownSettings, type TraceSettings } from "../../../core/settings/trace-settings.ts";
import { lengthTag, readFields, readMapEntry, varintTag } from "./fields.ts";

export interface TraceSettingRequest {
  modelName: string;
  /** Values by setting; an empty list clears the setting. */
  readonly settings: Map<string, readonly string[]>;
}

export const decodeTraceSettingRequest = (bytes: Uint8Array): TraceSettingRequest => {
  const request: TraceSettingRequest = { modelName: "", settings: new Map() };
  readFields(bytes, (reader, tag) => {
    if (tag === lengthTag(1)) {
      const values: string[] = [];
      const key = readMapEntry(reader.message(), (entry) => readTraceValue(entry.message(), values));
      request.settings.set(key, values);
    } else if (tag === lengthTag(2)) request.modelName = upToNul(reader.utf8String());
    else return false;
    return true;
  });
  return request;
};

const readTraceValue = (message: ProtobufReader, values: string[]): void =>
  readFields(message, (reader, tag) => {
    if (tag !== lengthTag(1)) return false;
    values.push(reader.utf8String());
    return true;
  });

export const encodeTraceSettings = (settings: TraceSettings): Uint8Array => {
  const writer = new ProtobufWriter();
  const write = (name: string, values: readonly string[]): void => {
    writer.message(1, (entry) => {
      entry.string(1, name);
      entry.message(2, (value) => {
        for (const text of values) value.string(1, text);
      });
    });
  };
  for (const [name, value] of shownSettings(settings)) {
    write(name, typeof value === "string" ? [value] : value);
  }
  return writer.finish();
};

/** A `LogSettingsRequest.SettingValue`; `unset` when no member of its choice is there. */
export type LogSettingValue =
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "uint32"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "unset" };

export const decodeLogSettingsRequest = (bytes: Uint8Array): ReadonlyMap<string, LogSettingValue> => {
  const settings = new Map<string, LogSettingValue>();
  readFields(bytes, (reader, tag) => {
    if (tag !== lengthTag(1)) return false;
    const choices: LogSettingValue[] = [];
    const key = readMapEntry(reader.message(), (entry) => readLogValue(entry.message(), choices));
    settings.set(key, choices.at(-1) ?? { kind: "unset" });
    return true;
  });
  return settings;
};

const readLogValue = (message: ProtobufReader, choices: LogSettingValue[]): void =>
  readFields(message, (reader, tag) => {
    if (tag === varintTag(1)) choices.push({ kind: "bool", value: reader.bigVarint() !== 0n });
    else if (tag === varintTag(2)) {
      choices.push({ kind: "uint32", value: Number(BigInt.asUintN(32, reader.bigVarint())) });
    } else if (tag === lengthTag(3)) choices.push({ kind: "string", value: reader.utf8String() });
    else return false;
    return true;
  });

export const encodeLogSettings = (settings: LogSettings): Uint8Array => {
  const writer = new ProtobufWriter();
  const write = (name: string, writeValue: (value: ProtobufWriter) => void): void => {
    writer.message(1, (entry) => entry.string(1, name).message(2, writeValue));
  };
  write("log_file", (value) => value.string(3, settings.log_file));
  write("log_info", (value) => value.bool(1, settings.log_info));
  write("log_warning", (value) => value.bool(1, settings.log_warning));
  write("log_error", (value) => value.bool(1, settings.log_error));
  write("log_verbose_level", (value) => value.varint(2, settings.log_verbose_level));
  write("log_format", (value) => value.string(3, settings.log_format));
  return writer.finish();
};
