// Feedback on hits, and hits that become the query.
import type { Box } from "../../../geometry/region.ts";
import { sameImage, type ImageRef, type Mark, type Question } from "../../../query/question.ts";

/** The mark on an image; undefined if there is none. */
export function markOn(question: Question, image: ImageRef): Mark | undefined {
  return question.marks.find((mark) => sameImage(mark.image, image));
}

/** The question without the mark on an image. */
export function withoutMark(question: Question, image: ImageRef): Question {
  return { ...question, marks: question.marks.filter((mark) => !sameImage(mark.image, image)) };
}

/** Marks an image, flips its mark, or removes the mark if it is already the same. */
export function withMarkToggled(question: Question, image: ImageRef, unlike: boolean): Question {
  const before = markOn(question, image), others = withoutMark(question, image);
  return before?.unlike === unlike ? others : { ...others, marks: [...others.marks, { image, unlike }] };
}

/** A search for the part of a gallery image that lies in a box: within the same filters, without earlier feedback. */
export function partOf(question: Question, id: string, box: Box): Question {
  const region = { image: 0, region: { kind: "box" as const, ...box }, weight: 1, exclude: false };
  return { ...question, images: [{ kind: "gallery", id }], regions: [region], marks: [] };
}
