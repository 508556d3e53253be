import { type IncomingMessage, ServerResponse } from "node:http";

/** Answers a HEAD with a body, as the real server does (2.51.0); the runtime's own response would leave it out. */
export class ResponseWithBody extends ServerResponse<IncomingMessage> {
  constructor(request: IncomingMessage) {
    super(request.method === "HEAD" ? Object.create(request, { method: { value: "GET" } }) : request);
  }
}
