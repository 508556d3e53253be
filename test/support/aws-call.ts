import { AwsError } from "../../emulator/aws/wire/aws-error.ts";
import { ACCOUNT_ID, type AwsRequest } from "../../emulator/aws/wire/aws-request.ts";
import type { OperationService } from "../../emulator/aws/wire/json-service.ts";
import { Timestamp } from "../../emulator/aws/wire/timestamp.ts";
import { headOf } from "./aws-exchange.ts";

const requestOf = (service: OperationService, operation: string): AwsRequest => ({
  service: service.service,
  operation,
  region: "us-east-1",
  accountId: ACCOUNT_ID,
  requestId: "00000000-0000-4000-8000-000000000000",
  accessKeyId: null,
  head: headOf("POST /"),
  query: new URLSearchParams(),
  hostBucket: null,
  body: Buffer.alloc(0),
  trailers: new Map(),
});

/** Calls an operation of a service that answers in this turn, as JSON has it. @returns its output as JSON has it: times are seconds */
export const call = <Output = unknown>(
  service: OperationService,
  operation: string,
  input: object = {},
): Output => {
  const known = service.operations[operation];
  if (known === undefined) throw new Error(`no operation ${operation}`);
  const output = known.call(input, "json", requestOf(service, operation), service.invalid);
  return JSON.parse(JSON.stringify(output, seconds)) as Output;
};

/** The error of a call that is refused: `<code>: <message>`. */
export const refusal = (service: OperationService, operation: string, input: object = {}): string => {
  try {
    call(service, operation, input);
  } catch (error) {
    if (error instanceof AwsError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error(`${operation} was not refused`);
};

const seconds = (_: string, value: unknown): unknown => (value instanceof Timestamp ? value.seconds : value);
