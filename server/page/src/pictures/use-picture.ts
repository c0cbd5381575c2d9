import { useEffect, useState } from "preact/hooks";
import { problemOf, type Problem } from "../api/problem.ts";
import type { ImageRef } from "../query/question.ts";
import { picture, type Shown } from "./pictures.ts";

/** The picture of an image, once it is there; or why there is none. */
export function usePicture(ref: ImageRef, side: number, original = true): { readonly shown?: Shown; readonly problem?: Problem } {
  const [state, setState] = useState<{ readonly key: string; readonly shown?: Shown; readonly problem?: Problem }>({ key: "" });
  const key = `${ref.kind}:${ref.id}:${side}:${original}`;
  useEffect(() => {
    let current = true;
    picture(ref, side, original).then(
      (shown) => current && setState({ key, shown }),
      (error: unknown) => {
        const problem = problemOf(error);
        if (current) setState(problem ? { key, problem } : { key });
      },
    );
    return () => { current = false; };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for the reference
  }, [key]);
  return state.key === key ? state : {};
}
