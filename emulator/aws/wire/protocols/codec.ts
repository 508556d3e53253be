import type { HttpReply } from "../../../frontends/http1/reply.ts";
import { type AwsError, faultOf } from "../aws-error.ts";
import type { AwsRequest } from "../aws-request.ts";
import type { Protocol } from "../identify.ts";
import { serialization, type Wire } from "../shapes.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { formTree } from "./form.ts";
import { xmlElement, xmlElements } from "./xml.ts";

/** What of a request the codecs need. */
export type CodedRequest = Pick<AwsRequest, "head" | "query" | "body" | "requestId" | "operation">;

/** How an operation's input, output and errors are written in a protocol. */
export interface Codec {
  readonly wire: Wire;
  /** @throws AwsError `SerializationException` */
  input(request: CodedRequest): unknown;
  /** @param xmlNamespace of the service's query protocol; empty = it has none */
  output(output: object, request: CodedRequest, xmlNamespace: string): HttpReply;
  error(error: AwsError, request: CodedRequest, xmlNamespace: string): HttpReply;
}

/** AWS JSON 1.0 and 1.1: the answer has the content type of the request. */
const json: Codec = {
  wire: "json",
  input: ({ body }) => {
    if (body.length === 0) return {};
    try {
      return JSON.parse(body.toString("utf8"));
    } catch {
      throw serialization("The request body is not well-formed JSON");
    }
  },
  output: (output, { head }) => ({
    status: 200,
    headers: ["Content-Type", jsonType(head.headers.get("content-type"))],
    body: [Buffer.from(JSON.stringify(output))],
  }),
  error: (error, { head }, xmlNamespace) => ({
    status: error.status,
    headers: [
      "Content-Type",
      jsonType(head.headers.get("content-type")),
      "x-amzn-ErrorType",
      error.code,
      ...(xmlNamespace === "" ? [] : queryError(error)),
      ...error.headers,
    ],
    body: [Buffer.from(JSON.stringify({ __type: error.code, message: error.message, ...error.members }))],
  }),
};

const jsonType = (asked: string | undefined): string =>
  asked?.startsWith("application/x-amz-json-1.0")
    ? "application/x-amz-json-1.0"
    : "application/x-amz-json-1.1";

/** Clients of an API that was a query API read the code that it had there. */
const queryError = (error: AwsError): string[] => [
  "x-amzn-query-error",
  `${error.queryCode};${faultOf(error)}`,
];

/** Smithy's rpc-v2-cbor. */
const cbor: Codec = {
  wire: "cbor",
  input: ({ body }) => (body.length === 0 ? {} : decodeCbor(body)),
  output: (output) => cborReply(200, output),
  error: (error) =>
    cborReply(error.status, { __type: error.code, message: error.message, ...error.members }, [
      ...queryError(error),
      ...error.headers,
    ]),
};

const cborReply = (status: number, value: object, headers: readonly string[] = []): HttpReply => ({
  status,
  headers: ["smithy-protocol", "rpc-v2-cbor", "Content-Type", "application/cbor", ...headers],
  body: [encodeCbor(value)],
});

/** Forms in, XML out. An output without members has no Result. */
const query: Codec = {
  wire: "form",
  input: (request) => formTree(formOf(request)),
  output: (output, { operation, requestId }, xmlNamespace) => {
    const elements = xmlElements(output);
    const result = elements === "" ? "" : `<${operation}Result>${elements}</${operation}Result>`;
    return xmlReply(
      200,
      `<${operation}Response xmlns="${xmlNamespace}">${result}<ResponseMetadata>${xmlElement("RequestId", requestId)}</ResponseMetadata></${operation}Response>`,
    );
  },
  error: (error, { requestId }, xmlNamespace) => {
    const { queryCode: Code, message: Message } = error;
    const body = xmlElement("Error", { Type: faultOf(error), Code, Message });
    return xmlReply(
      error.status,
      `<ErrorResponse xmlns="${xmlNamespace}">${body}${xmlElement("RequestId", requestId)}</ErrorResponse>`,
      error.headers,
    );
  },
};

/** The fields of the query protocol, from the body or the URL. */
export const formOf = ({
  head,
  query,
  body,
}: Pick<AwsRequest, "head" | "query" | "body">): URLSearchParams =>
  head.method === "POST" ? new URLSearchParams(body.toString("utf8")) : query;

const xmlReply = (status: number, xml: string, headers: readonly string[] = []): HttpReply => ({
  status,
  headers: ["Content-Type", "text/xml", ...headers],
  body: [Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`)],
});

/** The runtime: operations read head and body themselves. An error without a code has only its status, as some of AWS's. */
const restJson: Codec = {
  ...json,
  output: (output) => ({
    status: 200,
    headers: ["Content-Type", "application/json"],
    body: [Buffer.from(JSON.stringify(output))],
  }),
  error: ({ status, code, message, members, headers }) => ({
    status,
    headers: [
      "Content-Type",
      "application/json",
      ...(code === "" ? [] : ["x-amzn-ErrorType", code]),
      ...headers,
    ],
    body: [Buffer.from(JSON.stringify({ ...members, Message: message }))],
  }),
};

/** S3: bodies are its own matter, errors are `<Error>`. */
const restXml: Codec = {
  wire: "form",
  input: () => ({}),
  output: (output) => xmlReply(200, xmlElements(output)),
  error: ({ status, code, message, members, headers }, { head, requestId }) => ({
    status,
    headers: ["Content-Type", "application/xml", ...headers],
    body:
      head.method === "HEAD" || status === 304
        ? []
        : [
            Buffer.from(
              `<?xml version="1.0" encoding="UTF-8"?>\n${xmlElement("Error", {
                Code: code,
                Message: message,
                ...members,
                RequestId: requestId,
                HostId: hostIdOf(requestId),
              })}`,
            ),
          ],
  }),
};

/** S3's second name of a request. */
export const hostIdOf = (requestId: string): string => Buffer.from(requestId).toString("base64");

export const codecs: Readonly<Record<Protocol, Codec>> = {
  json,
  cbor,
  query,
  "rest-json": restJson,
  "rest-xml": restXml,
};
