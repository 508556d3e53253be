import { conformance } from "./conformance.ts";

conformance("response-cache-requests");
