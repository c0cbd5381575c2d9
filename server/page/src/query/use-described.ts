import { useEffect, useState } from "preact/hooks";
import { problemOf, type Problem } from "../api/problem.ts";
import type { DescribedQuery } from "../gen/partlens/v1/image_pb.ts";
import type { ImageRef } from "./question.ts";
import { describe, describedOf } from "./store.ts";
import { sendAgain } from "./uploads.ts";

interface State {
  readonly described: DescribedQuery | undefined;
  readonly problem: Problem | undefined;
  readonly retry: () => void;
}

/** How the server sees an image, once it has said so; or why it does not. What this visit has sent is sent again if it was dropped. */
export function useDescribed(ref: ImageRef): State {
  const described = describedOf(ref), key = `${ref.kind}:${ref.id}`;
  const [failed, setFailed] = useState<{ readonly key: string; readonly problem: Problem }>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (described) return;
    const controller = new AbortController();
    describe(ref, controller.signal).catch(async (error: unknown) => {
      const problem = problemOf(error);
      if (!problem || controller.signal.aborted) return;
      if (problem.reason === "QUERY_UNKNOWN" && (await sendAgain())) return;
      setFailed({ key, problem });
    });
    return () => controller.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for the reference
  }, [key, tries, described === undefined]);
  const retry = () => {
    setFailed(undefined);
    setTries(tries + 1);
  };
  return { described, problem: described || failed?.key !== key ? undefined : failed.problem, retry };
}
