import { AwsError } from "../wire/aws-error.ts";

/** CloudWatch's errors. Its names differ between the query protocol and the others. */
export const invalidValue = (message: string): AwsError =>
  new AwsError("InvalidParameterValueException", message, { queryCode: "InvalidParameterValue" });

export const invalidCombination = (message: string): AwsError =>
  new AwsError("InvalidParameterCombinationException", message, { queryCode: "InvalidParameterCombination" });

export const missingParameter = (message: string): AwsError =>
  new AwsError("MissingRequiredParameterException", message, { queryCode: "MissingParameter" });

/** What its models do not name: constraints of shapes, and rules of alarms and GetMetricData. */
export const validationError = (message: string): AwsError => new AwsError("ValidationError", message);

export const alarmNotFound = (message: string): AwsError =>
  new AwsError("ResourceNotFound", message, { status: 404 });

export const resourceNotFound = (message: string): AwsError =>
  new AwsError("ResourceNotFoundException", message, { status: 404 });

export const invalidNextToken = (): AwsError =>
  new AwsError("InvalidNextToken", "The next token specified is invalid.");

export const alarmQuota = (): AwsError =>
  new AwsError("LimitExceededFault", "The quota for alarms for this customer has already been reached.", {
    queryCode: "LimitExceeded",
  });

export const invalidFormat = (message: string): AwsError =>
  new AwsError("InvalidFormatFault", message, { queryCode: "InvalidFormat" });
