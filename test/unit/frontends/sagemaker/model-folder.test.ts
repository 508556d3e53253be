import { expect, test } from "vitest";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { locateModel, type ModelLocation } from "../../../../emulator/frontends/sagemaker/model-folder.ts";
import { InMemoryStorage } from "../../../../emulator/storage/in-memory-storage.ts";

const locate = (url: string, files: Readonly<Record<string, string>>): ModelLocation => {
  const clock = new VirtualClock();
  const storage = new InMemoryStorage(clock);
  for (const [path, content] of Object.entries(files)) storage.write(path, content);
  let found: ModelLocation | null = null;
  locateModel(storage, url, (location) => {
    found = location;
  });
  clock.settle();
  if (found === null) throw new Error("not answered");
  return found;
};

const url = "/opt/ml/models/h1/model";

test("locate: a subfolder is the model", () => {
  expect(locate(url, { [`${url}/m/config.pbtxt`]: "" })).toEqual({ repository: url, folder: "m" });
});

test("locate: of several subfolders the last, or the last that is an ensemble", () => {
  const files = { [`${url}/a/config.pbtxt`]: 'platform: "onnxruntime_onnx"', [`${url}/z/1/model.onnx`]: "" };
  expect(locate(url, files).folder).toBe("z");
  const ensembles = {
    ...files,
    [`${url}/b/config.pbtxt`]: 'name: "b"\nplatform:  "ensemble"',
    [`${url}/c/config.pbtxt`]: 'platform:\n"ensemble"',
  };
  expect(locate(url, ensembles).folder).toBe("c");
});

test.each(['platform : "ensemble"', "platform: 'ensemble'"])(
  "locate: %s is not seen to be an ensemble",
  (config) => {
    expect(locate(url, { [`${url}/a/config.pbtxt`]: config, [`${url}/b/`]: "" }).folder).toBe("b");
  },
);

test.each([url, `${url}/`, "/home/me/models/h1/model"])(
  "locate: with its configuration on top, %s is itself the model",
  (asked) => {
    const files = { [`${asked}/config.pbtxt`]: "", [`${asked}/1/model.onnx`]: "" };
    const repository = asked.slice(0, asked.indexOf("/model", asked.indexOf("h1")));
    expect(locate(asked, files)).toEqual({ repository, folder: "model" });
  },
);

test("locate: with its configuration on top, a hash with another character is no repository at all", () => {
  const odd = "/opt/ml/models/h-1/model";
  const files = { [`${odd}/config.pbtxt`]: "", [`${odd}/1/model.onnx`]: "" };
  expect(locate(odd, files)).toEqual({ repository: "", folder: "" });
});

test("locate: a url that names the model's subfolder finds its parent, where there is no such model", () => {
  const files = { [`${url}/m/config.pbtxt`]: "", [`${url}/m/1/model.onnx`]: "" };
  expect(locate(`${url}/m`, files)).toEqual({ repository: "/opt/ml/models/h1", folder: "model" });
});

test("locate: without subfolders, or without a folder, there is no model", () => {
  expect(locate(url, { [`${url}/`]: "" })).toEqual({ repository: url, folder: "" });
  expect(locate("", {})).toEqual({ repository: "", folder: "" });
});
