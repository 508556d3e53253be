/** What kills or hangs the real server (2.51.0), what a newer one refuses, and what others than Triton do; only imitated when asked for. */
export const imitations = {
  "load-body-crash":
    "A load whose body does not parse, or has members of other types, ends the real server; without `model_name` the load " +
    "is never answered and pings are answered with 400 from then on. Not imitated: both are answered with an error.",
  "unload-during-invoke-hang":
    "When a model is unloaded through the container API while it is being invoked, both calls are answered only when 350 s " +
    "have passed; until then pings are answered with 400. Not imitated: the unload waits for the invocation.",
  "load-blocks-worker":
    "A load or an unload over HTTP or the container API occupies one of the port's threads until it ends, as a rule the one " +
    "that is to send the answer of an inference in flight, which then has to wait; so does every request while all threads " +
    "are occupied. Not imitated: nobody is held up.",
  "load-unload-race":
    "Many loads and unloads through the container API at the same time end the real server sooner or later (SIGSEGV or SIGABRT, " +
    "fixed in 26.01). Not imitated: they do not disturb each other.",
  "slash-in-name":
    "From 26.03 on a load through the container API is refused where the TargetModel has a / in it. Not imitated: as in 24.10 it " +
    "is loaded like any other.",
  "ports-run-out":
    "The container of TensorFlow Serving starts a server with two ports for each model, and answers a load with 507 when 90 % of " +
    "its range of ports are taken. Not imitated: Triton serves all models on one port.",
  "error-type-missing":
    "An error of the runtime comes without the header x-amzn-ErrorType, so that an SDK knows its status only. Not imitated: every " +
    "error that has a type names it.",
  "second-unload-not-signalled":
    "Releases before the fix of May 2024 (core#309) tell a model's repository agents of its first unload only. Not imitated: as in " +
    "24.10 they are told of each.",
} as const;

export type Imitation = keyof typeof imitations;

export const isImitation = (name: string): name is Imitation => Object.hasOwn(imitations, name);
