#!/usr/bin/env node
/*
 * Process entry: the only reader of arguments and environment. It imports nothing before it knows that this Node can read
 * what it imports, and uses no syntax that an older one would stumble over.
 */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`triton-local needs Node 22.18 or newer; this is Node ${process.versions.node}.\n`);
  process.exitCode = 1;
} else {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache();
  const { runCommand } = await import("./cli/commands.ts");
  const exitCode = await runCommand(process.argv.slice(2), process.env);
  // Worker threads or open connections must not hold up the exit, nor the exit cut off what was written last.
  process.stderr.write("", () => process.exit(exitCode));
}

export {};
