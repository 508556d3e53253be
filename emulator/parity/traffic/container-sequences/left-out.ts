/** What sequences of the container API do not ask, because the real server does not survive it or nobody could compare it. */
export const leftOutOfContainer: readonly { readonly name: string; readonly reason: string }[] = [
  {
    name: "an unload of a model that the index does not show",
    reason:
      "it waits 350 s: for a model that was loaded by the name of a TargetModel that the unload does not have; or it dies: where the archive is not there any more",
  },
  { name: "two unloads of one model at the same time", reason: "it dies each time" },
  {
    name: "an ensemble that has the name of its own member",
    reason: "it is refused as circular, and the next load of its archive ends the server",
  },
  { name: "a load without a name", reason: "it is never answered" },
  {
    name: "an archive with several folders of which none, or more than one, is an ensemble",
    reason: "it takes the last one in the order in which the disk lists them; ours the last by name",
  },
  {
    name: "an archive with its configuration at the top",
    reason: "it finds that below /opt/ml/models only; ours below any folder",
  },
];
