import type { RequestHead } from "../../frontends/http1/request-head.ts";

/** What a request says of who signed it, and how: Signature Version 4 in the header or in a presigned URL. */
export interface Credential {
  readonly accessKeyId: string;
  /** `20261125` */
  readonly date: string;
  readonly region: string;
  /** The signing name, e.g. `sagemaker`. */
  readonly service: string;
  /** Lower-case names, as listed. */
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Null = signed in the header; else how long the URL is good for. */
  readonly presignedForSeconds: number | null;
}

export const ALGORITHM = "AWS4-HMAC-SHA256";

/** Null = it is not signed; `broken` = it says that it is, and not in a form that can be read. */
export const readCredential = (head: RequestHead, query: URLSearchParams): Credential | "broken" | null => {
  const authorization = head.headers.get("authorization");
  if (authorization !== undefined) return fromHeader(authorization);
  return query.has("X-Amz-Signature") || query.has("X-Amz-Credential") ? fromQuery(query) : null;
};

/** Texts are cut by hand: this is read with every request. */
const fromHeader = (authorization: string): Credential | "broken" => {
  if (!authorization.startsWith(`${ALGORITHM} `)) return "broken";
  let scope = "";
  let signedHeaders = "";
  let signature = "";
  for (const part of authorization.slice(ALGORITHM.length + 1).split(",")) {
    const field = part.trim();
    if (field.startsWith("Credential=")) scope = field.slice("Credential=".length);
    else if (field.startsWith("SignedHeaders=")) signedHeaders = field.slice("SignedHeaders=".length);
    else if (field.startsWith("Signature=")) signature = field.slice("Signature=".length);
  }
  return credentialOf(scope, signedHeaders, signature, null);
};

const fromQuery = (query: URLSearchParams): Credential | "broken" => {
  if (query.get("X-Amz-Algorithm") !== ALGORITHM) return "broken";
  const expires = query.get("X-Amz-Expires") ?? "";
  if (!/^\d{1,7}$/.test(expires)) return "broken";
  return credentialOf(
    query.get("X-Amz-Credential") ?? "",
    query.get("X-Amz-SignedHeaders") ?? "",
    query.get("X-Amz-Signature") ?? "",
    Number(expires),
  );
};

const credentialOf = (
  scope: string,
  signedHeaders: string,
  signature: string,
  presignedForSeconds: number | null,
): Credential | "broken" => {
  const parts = scope.split("/");
  const [service, region, date] = [parts.at(-2), parts.at(-3), parts.at(-4)];
  if (parts.length < 5 || parts.at(-1) !== "aws4_request") return "broken";
  if (!service || !region || !date || signedHeaders === "" || signature === "") return "broken";
  return {
    // A key may have slashes of its own.
    accessKeyId: parts.slice(0, -4).join("/"),
    date,
    region,
    service,
    signedHeaders: signedHeaders.split(";"),
    signature,
    presignedForSeconds,
  };
};
