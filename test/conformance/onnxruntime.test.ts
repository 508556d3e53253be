import { conformance } from "./conformance.ts";

conformance("onnxruntime");
