import { validationException } from "./errors.ts";

/** The only things that are scaled here. */
export const SERVICE_NAMESPACE = "sagemaker";
export const SCALABLE_DIMENSION = "sagemaker:variant:DesiredInstanceCount";

/** A variant by its names. */
export interface VariantName {
  readonly region: string;
  readonly endpoint: string;
  readonly variant: string;
}

export interface SuspendedState {
  readonly scalingIn: boolean;
  readonly scalingOut: boolean;
  readonly scheduled: boolean;
}

export interface ScalableTarget extends VariantName {
  /** `endpoint/{endpoint}/variant/{variant}`. */
  readonly resourceId: string;
  readonly arn: string;
  readonly roleArn: string;
  readonly min: number;
  readonly max: number;
  readonly suspended: SuspendedState;
  readonly createdMs: number;
}

const RESOURCE_ID = /^endpoint\/([^/]+)\/variant\/([^/]+)$/;

/** How its texts name what it is about. */
export const subjectOf = (resourceId: string): string =>
  `service namespace: ${SERVICE_NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${SCALABLE_DIMENSION}`;

/** @throws AwsError */
export const readVariantName = (
  region: string,
  serviceNamespace: string,
  resourceId: string,
  scalableDimension: string,
): VariantName => {
  refuseOtherServices(serviceNamespace, scalableDimension);
  const [, endpoint, variant] = RESOURCE_ID.exec(resourceId) ?? [];
  if (endpoint === undefined || variant === undefined) throw unsupported();
  return { region, endpoint, variant };
};

/** @throws AwsError */
export const refuseOtherServices = (
  serviceNamespace: string,
  scalableDimension: string | undefined,
): void => {
  if (serviceNamespace !== SERVICE_NAMESPACE) throw unsupported();
  if (scalableDimension !== undefined && scalableDimension !== SCALABLE_DIMENSION) throw unsupported();
};

const unsupported = () =>
  validationException("Unsupported service namespace, resource type or scalable dimension");

export const keyOf = ({ region, endpoint, variant }: VariantName): string =>
  `${region}/endpoint/${endpoint}/variant/${variant}`;
