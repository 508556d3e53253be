import { expect, test } from "vitest";
import { parseContainerUrl } from "../../../../emulator/aws/containers/container-url.ts";

test("container url: a path is taken as a prefix", () => {
  expect(parseContainerUrl("http://box:8080/a")).toEqual({ ok: true, value: new URL("http://box:8080/a") });
});

test.each(["", "8080", "ftp://h", "https://h", "http://h/?a=b"])(
  "'%s' is no address of a container",
  (text) => {
    expect(parseContainerUrl(text)).toMatchObject({ ok: false, error: { code: "INVALID_ARG" } });
  },
);
