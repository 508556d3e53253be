import { type Operation, operation } from "../wire/json-service.ts";
import { parseArn } from "./arns.ts";
import { controlPlaneErrors } from "./errors.ts";
import { addTagsShape, deleteTagsShape, listTagsShape, type Tag } from "./input-shapes.ts";
import type { Registry } from "./registry.ts";

/** Of one resource. */
const TAG_LIMIT = 50;

export const tagOperations = (registry: Registry): Readonly<Record<string, Operation>> => ({
  AddTags: operation(addTagsShape, ({ ResourceArn: arn, Tags }) => {
    checkResource(arn, registry);
    const merged = new Map(registry.tags(arn).map((tag): [string, Tag] => [tag.Key, tag]));
    for (const tag of Tags) merged.set(tag.Key, tag);
    if (merged.size > TAG_LIMIT)
      throw controlPlaneErrors.refused(
        `A resource can have at most ${TAG_LIMIT} tags, this would be ${merged.size}.`,
      );
    const all = [...merged.values()];
    registry.setTags(arn, all);
    return { Tags: all };
  }),
  ListTags: operation(listTagsShape, ({ ResourceArn: arn }) => {
    checkResource(arn, registry);
    // A page holds at least 50, which is as many as there can be.
    return { Tags: registry.tags(arn) };
  }),
  DeleteTags: operation(deleteTagsShape, ({ ResourceArn: arn, TagKeys }) => {
    checkResource(arn, registry);
    registry.setTags(
      arn,
      registry.tags(arn).filter(({ Key }) => !TagKeys.includes(Key)),
    );
    return {};
  }),
});

/** @throws AwsError unless it is there */
const checkResource = (arn: string, registry: Registry): void => {
  const parsed = parseArn(arn);
  if (parsed === null) throw controlPlaneErrors.refused(`Could not find resource "${arn}".`);
  const { kind, region, name } = parsed;
  if (registry.get(kind, region, name) === undefined) throw controlPlaneErrors.notFound(region, kind, name);
};
