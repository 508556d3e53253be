import { expect, test } from "vitest";
import {
  missingLibraries,
  serverCommand,
  unsuitablePlatform,
} from "../../../../emulator/parity/real-triton/native-server.ts";

test("unsuitablePlatform: Linux on x86-64 only, and says so elsewhere", () => {
  expect(unsuitablePlatform("linux", "x64")).toBeNull();
  for (const [platform, arch] of [
    ["darwin", "arm64"],
    ["win32", "x64"],
    ["linux", "arm64"],
  ] as const)
    expect(unsuitablePlatform(platform, arch)).toBe(
      `tritonserver 2.51.0 is made here for Linux on x86-64 only, this is ${platform} on ${arch}`,
    );
});

test("serverCommand: finds its backends, caches and libraries in its folder and listens on loopback", () => {
  const { program, args, env } = serverCommand("/made");
  expect(program).toBe("/made/bin/tritonserver");
  expect(args).toContain("--backend-directory=/made/backends");
  expect(args).toContain("--cache-directory=/made/caches");
  for (const service of ["http", "grpc", "metrics"]) expect(args).toContain(`--${service}-address=127.0.0.1`);
  expect(env.LD_LIBRARY_PATH).toBe("/made/libs");
  expect(env.PATH).toMatch(/^\/usr\/bin:/);
});

test("missingLibraries: each name that ldd did not find, once", () => {
  const ldd = `	linux-vdso.so.1 (0x00007f43f61a9000)
	libpython3.11.so.1.0 => not found
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f43f5a1e000)
	libpython3.11.so.1.0 => not found
`;
  expect(missingLibraries(ldd)).toEqual(["libpython3.11.so.1.0"]);
  expect(missingLibraries("	statically linked\n")).toEqual([]);
});
