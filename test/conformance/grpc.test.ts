import { conformance } from "./conformance.ts";

conformance("grpc");
