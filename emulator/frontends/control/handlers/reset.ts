import { type ControlCall, refuse } from "../control-call.ts";
import { jsonReply } from "../control-reply.ts";

const scopes = ["all", "models", "metrics", "journal"] as const;

/** Sets back what `scope` names; `all` takes the fault rules away as well. */
export const reset = ({ exchange, target, query }: ControlCall): void => {
  const asked = query.get("scope") ?? "all";
  const scope = scopes.find((known) => known === asked);
  if (scope === undefined) {
    refuse(exchange, {
      status: 400,
      code: "unknown-scope",
      message: `there is no scope '${asked}'`,
      howToFix: `scope is one of ${scopes.join(", ")}; without it everything is set back`,
    });
    return;
  }
  const includes = (part: string): boolean => scope === "all" || scope === part;
  if (scope === "all") target.faults.clear();
  const finish = (): void => {
    if (includes("metrics")) target.resetMetrics();
    if (includes("journal")) target.journal.clear();
    target.journal.write({ event: "reset", scope });
    exchange.reply(jsonReply({ reset: scope }));
  };
  if (includes("models")) target.resetModels(finish);
  else finish();
};
