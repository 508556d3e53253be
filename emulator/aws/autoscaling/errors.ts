import { AwsError } from "../wire/aws-error.ts";

export const validationException = (message: string): AwsError =>
  new AwsError("ValidationException", message);

export const objectNotFound = (message: string): AwsError => new AwsError("ObjectNotFoundException", message);

export const limitExceeded = (message: string): AwsError => new AwsError("LimitExceededException", message);

export const invalidNextToken = (): AwsError =>
  new AwsError("InvalidNextTokenException", "The next token is not valid.");
