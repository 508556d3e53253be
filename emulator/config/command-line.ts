/*
 * getopt_long's rules, as tritonserver has them: `--name=value` and `--name value`, names abbreviated as far as they stay
 * unambiguous, options and other arguments in any order, `--` ends the options. The texts are those of GNU libc.
 */

/** A flag as it stands on the command line. */
export interface FlagSpec {
  readonly flag: string;
  readonly takesArgument: boolean;
  /** Ours are abbreviated only where no flag of tritonserver could be meant. */
  readonly ours: boolean;
}

export interface FlagOccurrence {
  readonly flag: string;
  /** null for a flag that takes no argument. */
  readonly value: string | null;
}

/** What getopt stops at; `text` is its message, without the program's name. */
export class CommandLineError extends Error {
  constructor(text: string) {
    super(text);
    this.name = "CommandLineError";
  }
}

const findFlag = (specs: readonly FlagSpec[], name: string, asGiven: string): FlagSpec => {
  const exact = specs.find((spec) => spec.flag === name);
  if (exact !== undefined) return exact;
  const candidates = specs.filter((spec) => spec.flag.startsWith(name));
  const theirs = candidates.filter((spec) => !spec.ours);
  const possible = theirs.length > 0 ? theirs : candidates;
  const only = possible[0];
  if (only === undefined) throw new CommandLineError(`unrecognized option '--${asGiven}'`);
  if (possible.length > 1) {
    const names = possible.map((spec) => `'--${spec.flag}'`).join(" ");
    throw new CommandLineError(`option '--${asGiven}' is ambiguous; possibilities: ${names}`);
  }
  return only;
};

/**
 * Walks the arguments in order. `met` is called for each flag before the next one is looked at, so that the first error
 * of either kind is the one reported. Throws CommandLineError.
 * @returns arguments that belong to no flag
 */
export const walkCommandLine = (
  specs: readonly FlagSpec[],
  args: readonly string[],
  met: (occurrence: FlagOccurrence) => void,
): readonly string[] => {
  const others: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") return [...others, ...args.slice(index + 1)];
    if (!arg.startsWith("-") || arg === "-") {
      others.push(arg);
      continue;
    }
    if (!arg.startsWith("--")) throw new CommandLineError(`invalid option -- '${arg[1]}'`);
    const asGiven = arg.slice(2);
    const equals = asGiven.indexOf("=");
    const spec = findFlag(specs, equals < 0 ? asGiven : asGiven.slice(0, equals), asGiven);
    let value = equals < 0 ? null : asGiven.slice(equals + 1);
    if (!spec.takesArgument && value !== null) {
      throw new CommandLineError(`option '--${spec.flag}' doesn't allow an argument`);
    }
    if (spec.takesArgument && value === null) {
      value = args[++index] ?? null;
      if (value === null) throw new CommandLineError(`option '--${spec.flag}' requires an argument`);
    }
    met({ flag: spec.flag, value });
  }
  return others;
};
