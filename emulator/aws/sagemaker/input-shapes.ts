import { instanceTypeNames } from "../../core/memory/machine.ts";
import {
  anything,
  boolean,
  double,
  enumeration,
  integer,
  list,
  map,
  type Read,
  required,
  string,
  structure,
  timestamp,
} from "../wire/shapes.ts";

/* Limits and patterns are those of SageMaker's service model (API version 2017-07-24; spec/sagemaker-mme.md 5.1). */

const modelName = string({ max: 63, pattern: "[a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?" });
const dashedName = string({ max: 63, pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}" });
const url = string({ max: 1024, pattern: "(https|s3)://([^/]+)/?(.*)" });
const s3Uri = string({ max: 512, pattern: "(https|s3)://([^/]+)/?(.*)" });
const kmsKeyId = string({ max: 2048, pattern: "[a-zA-Z0-9:/_-]*" });
const nameContains = string({ max: 63, pattern: "[a-zA-Z0-9\\-]+" });
const nextToken = string({ max: 8192, pattern: ".*" });
const maxResults = integer({ min: 1, max: 100 });
const timeout = integer({ min: 60, max: 3600 });

const tag = structure({
  Key: required(string({ min: 1, max: 128, pattern: "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)" })),
  Value: required(string({ max: 256, pattern: "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)" })),
});
const tags = list(tag, { max: 50 });

const containerDefinition = structure({
  Image: string({ max: 255, pattern: "[\\S]+" }),
  Mode: enumeration(["SingleModel", "MultiModel"]),
  ModelDataUrl: url,
  Environment: map(string({ max: 1024 }), { max: 100 }),
  ContainerHostname: dashedName,
  MultiModelConfig: structure({ ModelCacheSetting: enumeration(["Enabled", "Disabled"]) }),
  ModelPackageName: string({ min: 1, max: 176 }),
  ModelDataSource: anything(),
  AdditionalModelDataSources: anything(),
  ImageConfig: anything(),
});

export const createModelShape = structure({
  ModelName: required(modelName),
  ExecutionRoleArn: string({
    min: 20,
    max: 2048,
    pattern: "arn:aws[a-z\\-]*:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
  }),
  PrimaryContainer: containerDefinition,
  Containers: list(containerDefinition, { max: 15 }),
  InferenceExecutionConfig: structure({ Mode: required(enumeration(["Serial", "Direct"])) }),
  VpcConfig: anything(),
  EnableNetworkIsolation: boolean(),
  Tags: tags,
});

const productionVariant = structure({
  VariantName: required(dashedName),
  ModelName: modelName,
  InitialInstanceCount: integer({ min: 1 }),
  InstanceType: enumeration(instanceTypeNames),
  InstancePools: anything(),
  VariantInstanceProvisionTimeoutInSeconds: integer({ min: 300, max: 3600 }),
  InitialVariantWeight: double({ min: 0 }),
  VolumeSizeInGB: integer({ min: 1, max: 512 }),
  ModelDataDownloadTimeoutInSeconds: timeout,
  ContainerStartupHealthCheckTimeoutInSeconds: timeout,
  RoutingConfig: structure({
    RoutingStrategy: required(enumeration(["LEAST_OUTSTANDING_REQUESTS", "RANDOM"])),
  }),
  ManagedInstanceScaling: anything(),
  ServerlessConfig: anything(),
  AcceleratorType: anything(),
  CoreDumpConfig: anything(),
  EnableSSMAccess: boolean(),
  InferenceAmiVersion: anything(),
  CapacityReservationConfig: anything(),
});

const contentType = string({
  min: 1,
  max: 256,
  pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9])*\\/[a-zA-Z0-9](-*[a-zA-Z0-9.])*",
});

const dataCaptureConfig = structure({
  EnableCapture: boolean(),
  InitialSamplingPercentage: required(integer({ min: 0, max: 100 })),
  DestinationS3Uri: required(s3Uri),
  KmsKeyId: kmsKeyId,
  CaptureOptions: required(
    list(structure({ CaptureMode: required(enumeration(["Input", "Output", "InputAndOutput"])) }), {
      min: 1,
      max: 32,
    }),
  ),
  CaptureContentTypeHeader: structure({
    CsvContentTypes: list(contentType, { min: 1, max: 10 }),
    JsonContentTypes: list(contentType, { min: 1, max: 10 }),
  }),
});

const asyncInferenceConfig = structure({
  ClientConfig: anything(),
  OutputConfig: required(
    structure({
      S3OutputPath: string({ max: 1024, pattern: "(https|s3)://([^/]+)/?(.*)" }),
      S3FailurePath: string({ max: 1024, pattern: "(https|s3)://([^/]+)/?(.*)" }),
      KmsKeyId: kmsKeyId,
      NotificationConfig: anything(),
    }),
  ),
});

export const createEndpointConfigShape = structure({
  EndpointConfigName: required(dashedName),
  ProductionVariants: required(list(productionVariant, { min: 1, max: 10 })),
  ShadowProductionVariants: list(productionVariant, { min: 1, max: 10 }),
  DataCaptureConfig: dataCaptureConfig,
  AsyncInferenceConfig: asyncInferenceConfig,
  ExplainerConfig: anything(),
  MetricsConfig: anything(),
  KmsKeyId: kmsKeyId,
  ExecutionRoleArn: string({ min: 20, max: 2048 }),
  VpcConfig: anything(),
  EnableNetworkIsolation: boolean(),
  Tags: tags,
});

export const createEndpointShape = structure({
  EndpointName: required(dashedName),
  EndpointConfigName: required(dashedName),
  DeploymentConfig: anything(),
  Tags: tags,
});

export const updateEndpointShape = structure({
  EndpointName: required(dashedName),
  EndpointConfigName: required(dashedName),
  RetainAllVariantProperties: boolean(),
  ExcludeRetainedVariantProperties: list(
    structure({
      VariantPropertyType: required(
        enumeration(["DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"]),
      ),
    }),
    { max: 3 },
  ),
  DeploymentConfig: anything(),
  RetainDeploymentConfig: boolean(),
});

export const updateCapacitiesShape = structure({
  EndpointName: required(dashedName),
  DesiredWeightsAndCapacities: required(
    list(
      structure({
        VariantName: required(dashedName),
        DesiredWeight: double({ min: 0 }),
        DesiredInstanceCount: integer({ min: 0 }),
        ServerlessUpdateConfig: anything(),
      }),
      { min: 1 },
    ),
  ),
});

export const modelNameShape = structure({ ModelName: required(modelName) });
export const endpointConfigNameShape = structure({ EndpointConfigName: required(dashedName) });
export const endpointNameShape = structure({ EndpointName: required(dashedName) });

const listing = {
  SortOrder: enumeration(["Ascending", "Descending"]),
  NextToken: nextToken,
  MaxResults: maxResults,
  NameContains: nameContains,
  CreationTimeBefore: timestamp(),
  CreationTimeAfter: timestamp(),
} as const;

export const listModelsShape = structure({ ...listing, SortBy: enumeration(["Name", "CreationTime"]) });
export const listEndpointConfigsShape = structure({
  ...listing,
  SortBy: enumeration(["Name", "CreationTime"]),
});
export const listEndpointsShape = structure({
  ...listing,
  SortBy: enumeration(["Name", "CreationTime", "Status"]),
  LastModifiedTimeBefore: timestamp(),
  LastModifiedTimeAfter: timestamp(),
  StatusEquals: enumeration([
    "OutOfService",
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "InService",
    "Deleting",
    "Failed",
    "UpdateRollbackFailed",
  ]),
});

const resourceArn = string({ max: 256, pattern: "arn:.*" });

export const addTagsShape = structure({ ResourceArn: required(resourceArn), Tags: required(tags) });
export const listTagsShape = structure({
  ResourceArn: required(resourceArn),
  NextToken: nextToken,
  MaxResults: integer({ min: 50 }),
});
export const deleteTagsShape = structure({
  ResourceArn: required(resourceArn),
  TagKeys: required(list(string({ min: 1, max: 128 }), { min: 1, max: 50 })),
});

export type CreateModelInput = Read<typeof createModelShape>;
export type ContainerDefinition = Read<typeof containerDefinition>;
export type CreateEndpointConfigInput = Read<typeof createEndpointConfigShape>;
export type ProductionVariantInput = Read<typeof productionVariant>;
export type DataCaptureConfig = Read<typeof dataCaptureConfig>;
export type Tag = Read<typeof tag>;
