/** Every kind of story that is played, in the order of the report: how it is called there and how many a whole run plays. */
export const playKinds = [
  { name: "sequences", title: "sequences of loads, unloads, inferences", standard: 500 },
  { name: "dialogues", title: "dialogues of inferences", standard: 200 },
  { name: "configurations", title: "model configurations, as files and as overrides", standard: 500 },
  { name: "container-sequences", title: "sequences of the container API", standard: 40 },
] as const;

/** As a finding calls them, `--only` and the option for their number. */
export type PlaysName = (typeof playKinds)[number]["name"];

export const isPlaysName = (name: string): name is PlaysName => playKinds.some((kind) => kind.name === name);
