import { conformance } from "./conformance.ts";

conformance("sagemaker");
