import { optionGroups } from "./option.ts";
import { defaultTextOf, type OptionEntry, optionEntries } from "./schema.ts";

const row = (entry: OptionEntry): string => {
  const { flag, environment, meta } = entry;
  const argument = meta.argument === null ? "" : ` ${meta.argument}`;
  const value = defaultTextOf(entry);
  const fixed = meta.defaultText === undefined && value !== null;
  const cells = [
    `\`--${flag}${argument}\``,
    `\`${environment}\``,
    value === null ? "–" : fixed ? `\`${value}\`` : value,
    meta.unit ?? "–",
    [
      meta.description,
      meta.repeated ? "May be repeated." : "",
      meta.withoutEffect === undefined ? "" : `**Accepted without effect:** ${meta.withoutEffect}.`,
    ]
      .filter((part) => part !== "")
      .join(" "),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
};

const intro = `# Configuration

<!-- Made by \`npm run docs\` from emulator/config/schema.ts; a test compares. -->

\`triton-local serve\` takes the options of \`tritonserver\` 2.51.0, spelled and parsed as it spells and parses them, and a few
of its own. Each can be given in three ways; the first one found counts:

1. a flag: \`--http-port=9000\` or \`--http-port 9000\`; names may be abbreviated as far as they stay unambiguous;
2. an environment variable: \`TRITON_LOCAL_HTTP_PORT=9000\`; several values are separated by \`;\`, an empty one counts as not set;
3. a key of the JSON file that \`--config-file\` names: \`{"http-port": 9000, "load-model": ["a", "b"]}\`.

Booleans are true, on, 1, false, off or 0 in any case. An option that is known and cannot work here is accepted, and the
log says so once at start. An unknown one ends the program with exit code 1, as does every value that cannot be used.

Different from \`tritonserver\`: everything binds to 127.0.0.1 unless told otherwise; without \`--model-repository\` the
sample models are served; port 0 may be given to several services; a port above 65535 or below 0 is an error.

Of the variables of a SageMaker container two are read, as \`tritonserver\` itself reads them: \`SAGEMAKER_TRITON_PING_MODE\`
(\`live\`: \`/ping\` asks only whether the server is up; else whether every model is ready) and
\`SAGEMAKER_TRITON_DEFAULT_MODEL_NAME\` (the model of \`/invocations\`). The others only mean something to the script that
starts the container; for a multi-model endpoint it gives \`--allow-sagemaker=true --model-control-mode=explicit
--model-namespacing=true\`.
`;

/** docs/configuration.md */
export const referencePage = (): string => {
  const sections = optionGroups.map((group) => {
    const rows = optionEntries.filter(({ meta }) => meta.group === group).map(row);
    const head = ["| Option | Environment | Default | Unit | Meaning |", "|---|---|---|---|---|"];
    return `## ${group}\n\n${[...head, ...rows].join("\n")}\n`;
  });
  return [intro, ...sections].join("\n");
};
