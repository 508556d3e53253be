import { AwsError } from "../wire/aws-error.ts";
import { arnOf, type ResourceKind } from "./arns.ts";

const words: Readonly<Record<ResourceKind, string>> = {
  model: "model",
  "endpoint-config": "endpoint configuration",
  endpoint: "endpoint",
};

const refused = (message: string): AwsError => new AwsError("ValidationException", message);

/**
 * What the control plane refuses with (spec/sagemaker-mme.md 5.1). Every one is a `ValidationException` with status 400, for a
 * missing endpoint too: the waiters of SDKs rely on it.
 */
export const controlPlaneErrors = {
  notFound: (region: string, kind: ResourceKind, name: string): AwsError =>
    refused(`Could not find ${words[kind]} "${arnOf(region, kind, name)}".`),
  alreadyExists: (region: string, kind: ResourceKind, name: string): AwsError =>
    refused(`Cannot create already existing ${words[kind]} "${arnOf(region, kind, name)}".`),
  inProgress: (region: string, name: string): AwsError =>
    refused(`Cannot update in-progress endpoint "${arnOf(region, "endpoint", name)}".`),
  failedEndpoint: (region: string, name: string): AwsError =>
    refused(
      `Cannot update endpoint "${arnOf(region, "endpoint", name)}" in status Failed. Delete it and create it again.`,
    ),
  unknownVariant: (region: string, endpoint: string, variant: string): AwsError =>
    refused(
      `The variant name(s) "${variant}" is/are not present within endpoint "${arnOf(region, "endpoint", endpoint)}".`,
    ),
  scaledVariants: (names: readonly string[]): AwsError =>
    refused(
      `The variant(s) ${names.map((name) => `"${name}"`).join(", ")} must be deregistered as scalable targets with AWS Auto Scaling before removal or update of instance type.`,
    ),
  modelDataNotFound: (url: string): AwsError => refused(`Could not find model data at ${url}.`),
  unsupportedMode: (instanceType: string): AwsError =>
    refused(`MultiModel mode is not supported for instance type ${instanceType}.`),
  badNextToken: (): AwsError => refused("Invalid NextToken."),
  instanceLimit: (instanceType: string, limit: number, inUse: number, asked: number): AwsError =>
    new AwsError(
      "ResourceLimitExceeded",
      `The account-level service limit '${instanceType} for endpoint usage' is ${limit} Instances, with current utilization of ${inUse} Instances and a request delta of ${asked} Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota.`,
    ),
  /** Ours: AWS has it, this emulator does not. */
  notEmulated: (what: string): AwsError => refused(`${what} not emulated here.`),
  refused,
} as const;
