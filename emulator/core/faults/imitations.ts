/** What kills or hangs the real server (2.51.0), and is only imitated when asked for. */
export const imitations = {
  "load-body-crash":
    "A load whose body is no JSON object, or has members of other types, ends the real server; without `model_name` the load " +
    "is never answered and pings are answered with 400 from then on. Not imitated: both are answered with an error.",
  "unload-during-invoke-hang":
    "When a model is unloaded through the container API while it is being invoked, neither call is ever answered, the model " +
    "stays UNLOADING and pings are answered with 400. Not imitated: the unload waits for the invocation.",
} as const;

export type Imitation = keyof typeof imitations;

export const isImitation = (name: string): name is Imitation => Object.hasOwn(imitations, name);
