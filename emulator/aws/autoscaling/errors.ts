import { AwsError } from "../wire/aws-error.ts";

export const validationException = (message: string): AwsError =>
  new AwsError("ValidationException", message);

export const objectNotFound = (message: string): AwsError => new AwsError("ObjectNotFoundException", message);

/** @param what what there is enough of, e.g. `50 scaling policies per scalable target` */
export const limitExceeded = (what: string): AwsError =>
  new AwsError("LimitExceededException", `A per-account resource limit is exceeded: at most ${what}.`);

export const invalidNextToken = (): AwsError =>
  new AwsError("InvalidNextTokenException", "The next token supplied was invalid.");
