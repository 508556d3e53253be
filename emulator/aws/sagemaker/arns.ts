import { ACCOUNT_ID } from "../wire/aws-request.ts";

/** What the control plane keeps, as ARNs spell it. */
export type ResourceKind = "model" | "endpoint-config" | "endpoint";

export const arnOf = (region: string, kind: ResourceKind, name: string): string =>
  `arn:aws:sagemaker:${region}:${ACCOUNT_ID}:${kind}/${name}`;

export interface ParsedArn {
  readonly region: string;
  readonly kind: ResourceKind;
  readonly name: string;
}

const resourceArn =
  /^arn:aws[a-z-]*:sagemaker:([a-z0-9-]*):[0-9]{12}:(model|endpoint-config|endpoint)\/(.+)$/;

/** Null = it names nothing of the kinds that are kept here. */
export const parseArn = (arn: string): ParsedArn | null => {
  const [, region, kind, name] = resourceArn.exec(arn) ?? [];
  if (region === undefined || name === undefined) return null;
  if (kind !== "model" && kind !== "endpoint-config" && kind !== "endpoint") return null;
  return { region, kind, name };
};
