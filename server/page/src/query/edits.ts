// Changes of a question, each a new question.
import type { Region } from "../geometry/region.ts";
import type { ImageRef, MarkedRegion, Question } from "./question.ts";

export function withImage(question: Question, ref: ImageRef): Question {
  return { ...question, images: [...question.images, ref] };
}

/** The question with another picture in the place of one; its regions stay. */
export function withImageReplaced(question: Question, index: number, ref: ImageRef): Question {
  return { ...question, images: question.images.with(index, ref) };
}

/** The question without an image and the regions on it; later images move up. */
export function withoutImage(question: Question, index: number): Question {
  return {
    ...question,
    images: question.images.toSpliced(index, 1),
    regions: question.regions
      .filter((one) => one.image !== index)
      .map((one) => (one.image > index ? { ...one, image: one.image - 1 } : one)),
  };
}

/** The question with one more region, last; it counts as much as any other. */
export function withRegion(question: Question, image: number, region: Region): Question {
  return { ...question, regions: [...question.regions, { image, region, weight: 1, exclude: false }] };
}

/** The question with some properties of a region changed. */
export function withRegionChanged(question: Question, index: number, changes: Partial<MarkedRegion>): Question {
  const before = question.regions[index];
  return before ? { ...question, regions: question.regions.with(index, { ...before, ...changes }) } : question;
}

export function withoutRegion(question: Question, index: number): Question {
  return { ...question, regions: question.regions.toSpliced(index, 1) };
}
