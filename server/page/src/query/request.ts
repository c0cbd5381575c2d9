// Questions as the contract's messages.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { toBits } from "../geometry/mask.ts";
import type { Region } from "../geometry/region.ts";
import { FilterSchema, QueryImageSchema, type Filter, type QueryImage } from "../gen/partlens/v1/image_pb.ts";
import {
  MarkSchema, QueryRegionSchema, ScoreKind, type SearchRegionsRequestSchema,
} from "../gen/partlens/v1/part_search_service_pb.ts";
import { RegionSchema, type Region as RegionMessage } from "../gen/partlens/v1/region_pb.ts";
import type { ImageRef, Question, Score, Where } from "./question.ts";

const SCORES: Readonly<Record<Score, ScoreKind>> = {
  default: ScoreKind.DEFAULT,
  context: ScoreKind.CONTEXT,
  part: ScoreKind.PART,
  whole: ScoreKind.WHOLE,
};

/** What a search and a standing query have in common. */
export function toRequest(question: Question) {
  return {
    images: question.images.map(toImage),
    regions: question.regions.map(({ image, region, weight, exclude }) =>
      create(QueryRegionSchema, { imageIndex: image, region: toRegion(region), weight, exclude }),
    ),
    filter: toFilter(question.where),
    score: SCORES[question.score],
    marks: question.marks.map(({ image, unlike }) => create(MarkSchema, { image: toImage(image), unlike })),
    excludeIdentical: question.excludeIdentical,
  } satisfies MessageInitShape<typeof SearchRegionsRequestSchema>;
}

export function toImage(ref: ImageRef): QueryImage {
  const source = ref.kind === "gallery" ? { case: "galleryId" as const, value: ref.id } : { case: "queryId" as const, value: ref.id };
  return create(QueryImageSchema, { source });
}

export function toRegion(region: Region): RegionMessage {
  switch (region.kind) {
    case "box":
      return create(RegionSchema, { shape: { case: "box", value: region } });
    case "polygon":
      return create(RegionSchema, { shape: { case: "polygon", value: { points: [...region.points] } } });
    case "point":
      return create(RegionSchema, { shape: { case: "point", value: { x: region.x, y: region.y } }, snap: region.snap });
    case "mask": {
      const { width, height } = region.mask;
      const bitMask = { width, height, bits: toBits(region.mask) };
      return create(RegionSchema, { shape: { case: "mask", value: { form: { case: "bitMask", value: bitMask } } } });
    }
    case "whole":
      return create(RegionSchema, { shape: { case: "whole", value: {} } });
  }
}

export function toFilter(where: Where): Filter {
  return create(FilterSchema, {
    cameras: [...where.cameras],
    excludeCameras: [...where.excludeCameras],
    tracks: [...where.tracks],
    attributeConditions: [...where.attributes].map(([name, values]) => ({ name, test: { case: "any" as const, value: { values: [...values] } } })),
    ...(where.after && { capturedAfter: timestampFromDate(new Date(where.after)) }),
    ...(where.before && { capturedBefore: timestampFromDate(new Date(where.before)) }),
  });
}
