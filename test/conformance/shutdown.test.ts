import { conformance } from "./conformance.ts";

// The drain counts HTTP connections, so a dialogue over gRPC is another one.
conformance("shutdown", ["http"]);
