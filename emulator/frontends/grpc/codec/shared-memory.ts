import { lengthTag, readFields } from "./fields.ts";

/** The status, register and unregister requests of both kinds begin with the region's name. */
export const decodeRegionName = (bytes: Uint8Array): string => {
  let name = "";
  readFields(bytes, (reader, tag) => {
    if (tag !== lengthTag(1)) return false;
    name = reader.utf8String();
    return true;
  });
  return name;
};

/** The key of a `SystemSharedMemoryRegisterRequest`. */
export const decodeSystemRegisterKey = (bytes: Uint8Array): string => {
  let key = "";
  readFields(bytes, (reader, tag) => {
    if (tag !== lengthTag(2)) return false;
    key = reader.utf8String();
    return true;
  });
  return key;
};
