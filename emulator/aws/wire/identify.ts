import type { RequestHead } from "../../frontends/http1/request-head.ts";
import type { AwsServiceName } from "./aws-request.ts";
import type { Credential } from "./credential.ts";

/** How a request's operation, input and answer are written. */
export type Protocol = "json" | "cbor" | "query" | "rest-json" | "rest-xml";

export interface Identity {
  /** Null = it is meant for a service that is not here. */
  readonly service: AwsServiceName | null;
  readonly operation: string | null;
  readonly protocol: Protocol;
  /** What the request calls the service, for errors. */
  readonly asked: string;
}

const byTarget: Readonly<Record<string, AwsServiceName>> = {
  SageMaker: "sagemaker",
  AnyScaleFrontendService: "application-autoscaling",
  GraniteServiceVersion20100801: "monitoring",
};

/** Signing names, as credential scopes have them. The runtime signs as `sagemaker` too. */
const bySigningName: Readonly<Record<string, AwsServiceName>> = {
  sagemaker: "sagemaker",
  "application-autoscaling": "application-autoscaling",
  monitoring: "monitoring",
  s3: "s3",
  s3express: "s3",
};

const runtimeOperations: Readonly<Record<string, string>> = {
  invocations: "InvokeEndpoint",
  "invocations-response-stream": "InvokeEndpointWithResponseStream",
  "async-invocations": "InvokeEndpointAsync",
};

/** What of the runtime a request is for by its path; null = nothing. */
export const runtimeOperation = (method: string, path: string): string | null => {
  const name = method === "POST" ? runtimePath.exec(path)?.[1] : undefined;
  return name === undefined ? null : (runtimeOperations[name] ?? null);
};

const runtimePath = /^\/endpoints\/[^/]*\/(invocations|invocations-response-stream|async-invocations)$/;
const rpcPath = /^\/service\/([^/]+)\/operation\/([^/]+)$/;

/** Of the query protocol: the API's version tells the service. */
const byVersion: Readonly<Record<string, AwsServiceName>> = { "2010-08-01": "monitoring" };

/**
 * Whom a request is for, told as the SDKs tell it: by the header X-Amz-Target, by path, by the form's Action and Version, by
 * the credential's scope; S3 is what remains.
 * @param form the body of the query protocol, or what stands in the URL
 */
export const identify = (
  head: RequestHead,
  credential: Credential | null,
  form: () => URLSearchParams,
): Identity => {
  const { method, path, headers } = head;
  const scope = credential?.service ?? null;
  const target = headers.get("x-amz-target");
  if (target !== undefined) {
    const [asked = "", operation = null] = target.split(".");
    return { service: named(byTarget, asked), operation, protocol: "json", asked };
  }
  if (scope !== "s3") {
    const operation = runtimeOperation(method, path);
    if (operation !== null)
      return { service: "sagemaker-runtime", operation, protocol: "rest-json", asked: "sagemaker" };
    const rpc = headers.has("smithy-protocol") ? rpcPath.exec(path) : null;
    if (rpc !== null) {
      const [, asked = "", operation = ""] = rpc;
      const protocol = headers.get("smithy-protocol") === "rpc-v2-json" ? "json" : "cbor";
      return { service: named(byTarget, asked), operation, protocol, asked };
    }
    if (isForm(head)) {
      const fields = form();
      const action = fields.get("Action");
      if (action !== null) {
        const service = named(byVersion, fields.get("Version") ?? "") ?? named(bySigningName, scope ?? "");
        return { service, operation: action, protocol: "query", asked: scope ?? action };
      }
    }
  }
  if (scope === null && !path.startsWith("/endpoints/")) return s3;
  if (scope === null) return { ...nothingOfRuntime, asked: "sagemaker-runtime" };
  const service = named(bySigningName, scope);
  if (service === "s3") return s3;
  if (service === null) return { service, operation: null, protocol: "json", asked: scope };
  // Only a path could name an operation of the runtime, and it names none that is known.
  return service === "sagemaker" && path !== "/"
    ? { ...nothingOfRuntime, asked: scope }
    : { service, operation: null, protocol: "json", asked: scope };
};

const nothingOfRuntime = { service: "sagemaker-runtime", operation: null, protocol: "rest-json" } as const;

const s3: Identity = { service: "s3", operation: null, protocol: "rest-xml", asked: "s3" };

const named = (table: Readonly<Record<string, AwsServiceName>>, name: string): AwsServiceName | null =>
  Object.hasOwn(table, name) ? (table[name] ?? null) : null;

const isForm = ({ method, path, headers, query }: RequestHead): boolean =>
  path === "/" &&
  ((method === "POST" &&
    (headers.get("content-type") ?? "").startsWith("application/x-www-form-urlencoded")) ||
    (method === "GET" && query.includes("Action=")));
