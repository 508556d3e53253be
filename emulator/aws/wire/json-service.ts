import type { AwsError } from "./aws-error.ts";
import type { AwsRequest, AwsServiceName } from "./aws-request.ts";
import { readInput, type Shape, type Wire } from "./shapes.ts";

/** An operation whose types are settled: it reads what came over the wire itself. */
export interface Operation {
  /** @throws AwsError */
  call(
    input: unknown,
    wire: Wire,
    request: AwsRequest,
    invalid?: (message: string) => AwsError,
  ): object | Promise<object>;
}

/**
 * An operation of a service.
 * @param run answers the output with AWS's spelling: moments are `Timestamp`, undefined members are left out, `{}` = empty. It
 * throws `AwsError`, having changed nothing.
 */
export const operation = <Input>(
  input: Shape<Input>,
  run: (input: Input, request: AwsRequest) => object | Promise<object>,
): Operation => ({
  call: (raw, wire, request, invalid) => run(readInput(input, raw, wire, invalid), request),
});

/** A service whose operations are named in the request: all but S3 and the runtime. The protocol is the request's matter. */
export interface OperationService {
  readonly service: AwsServiceName;
  readonly operations: Readonly<Record<string, Operation>>;
  /** The error of a constraint that is not met; default `ValidationException`. */
  readonly invalid?: (message: string) => AwsError;
  /** Of answers in XML, where the service has the query protocol. */
  readonly xmlNamespace?: string;
}
