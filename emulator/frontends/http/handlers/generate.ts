import { fail } from "../../../common/status.ts";
import { immediate, parseVersion } from "../handler.ts";

/**
 * `POST /v2/models/{m}[/versions/{v}]/generate` and `generate_stream`. Not served yet: every model is answered as one that
 * the real server does not know.
 */
export const generate = immediate(({ groups }) => {
  const version = parseVersion(groups.version);
  if (!version.ok) return version;
  return fail("NOT_FOUND", `Request for unknown model: '${groups.model}' is not found`);
});
