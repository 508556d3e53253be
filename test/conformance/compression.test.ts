import { conformance } from "./conformance.ts";

// These are about how HTTP carries things; grpc.json asks the same of gRPC.
conformance("compression", ["http"]);
