import type { Environment } from "./environment.ts";

interface Command {
  readonly name: string;
  /** @returns the exit code of the process */
  run(args: readonly string[], environment: Environment): Promise<number>;
}

/** Each command is loaded only when it is run. */
const commands: readonly Command[] = [
  {
    name: "serve",
    run: async (args, environment) => (await import("./serve.ts")).serve(args, environment),
  },
  {
    name: "explain",
    run: async (args) => (await import("./explain.ts")).explainCommand(args),
  },
  {
    name: "scenario",
    run: async (args, environment) => (await import("./scenario.ts")).scenario(args, environment),
  },
  {
    name: "parity",
    run: async (args, environment) => (await import("./parity.ts")).parity(args, environment),
  },
  {
    name: "exec",
    run: async (args, environment) => (await import("./exec.ts")).exec(args, environment),
  },
];

/** Runs the command that the first argument names; without one, `serve` gets all arguments. */
export const runCommand = (args: readonly string[], environment: Environment): Promise<number> => {
  const [serve] = commands;
  const named = commands.find(({ name }) => name === args[0]);
  return named === undefined ? serve!.run(args, environment) : named.run(args.slice(1), environment);
};
