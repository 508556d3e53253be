import type { TritonError } from "../../common/status.ts";
import type { HttpReply } from "../http1/reply.ts";
import { httpStatus } from "./http-status.ts";
import { errorBody } from "./json-writer.ts";

const applicationJson: readonly string[] = ["Content-Type", "application/json"];
const nothing: readonly string[] = [];
const noBody: readonly Uint8Array[] = [];

export const jsonReply = (text: string): HttpReply => ({
  status: 200,
  headers: applicationJson,
  body: [Buffer.from(text)],
});

/** 200 without a body, as load, unload and shared-memory calls answer. */
export const emptyJsonReply: HttpReply = { status: 200, headers: applicationJson, body: noBody };

/** Health: no body and no type of its own. */
export const emptyReply = (status: number): HttpReply => ({ status, headers: nothing, body: noBody });

/** An error of a handler that had set its type before. */
export const errorReply = (error: TritonError): HttpReply =>
  jsonErrorReply(httpStatus[error.code], error.message);

export const jsonErrorReply = (status: number, message: string): HttpReply => ({
  status,
  headers: applicationJson,
  body: [errorBody(message)],
});

/** An error where no handler had set a type: it goes out as `text/plain`, after the length. */
export const plainErrorReply = (
  status: number,
  message: string,
  headers: readonly string[] = nothing,
): HttpReply => ({
  status,
  headers,
  body: [errorBody(message)],
});

export const methodNotAllowed = (type: "json" | "plain"): HttpReply => ({
  status: 405,
  headers: type === "json" ? applicationJson : nothing,
  body: [errorBody("Method Not Allowed")],
});

export const notFound: HttpReply = plainErrorReply(404, "Not Found");
