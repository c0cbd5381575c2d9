import { useEffect, useState } from "preact/hooks";
import { problemOf, type Problem } from "../api/problem.ts";
import type { ImageRef } from "../query/question.ts";
import { picture, type Shown } from "./pictures.ts";

interface State {
  readonly key: string;
  readonly image: string;
  readonly shown?: Shown;
  readonly problem?: Problem;
}

/** The picture of an image, once it is there; or why there is none. In another size, the last one stays until the next is there. */
export function usePicture(ref: ImageRef, side: number, original = true): { readonly shown?: Shown; readonly problem?: Problem } {
  const [state, setState] = useState<State>({ key: "", image: "" });
  const image = `${ref.kind}:${ref.id}:${original}`, key = `${side}:${image}`;
  useEffect(() => {
    let current = true;
    picture(ref, side, original).then(
      (shown) => current && setState({ key, image, shown }),
      (error: unknown) => {
        const problem = problemOf(error);
        if (current) setState(problem ? { key, image, problem } : { key, image });
      },
    );
    return () => { current = false; };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for the reference
  }, [key]);
  if (state.key === key) return state;
  return state.image === image && state.shown ? { shown: state.shown } : {};
}
