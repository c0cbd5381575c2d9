// Opens the original file of an image.
import { useState } from "preact/hooks";
import { problemOf, type Problem } from "../api/problem.ts";
import { Button } from "../ui/button.tsx";
import { openOriginal } from "./original.ts";

export function Original({ id }: { readonly id: string }) {
  const [state, setState] = useState<{ readonly pending?: boolean; readonly problem?: Problem | undefined }>({});
  const open = async () => {
    setState({ pending: true });
    try {
      await openOriginal(id);
      setState({});
    } catch (error) {
      setState({ problem: problemOf(error) });
    }
  };
  const { problem } = state, gone = problem?.reason === "PICTURE_UNAVAILABLE";
  const failed = problem && <span class="hit-problem" role="alert" title={problem.text}>{gone ? "No original" : problem.title}</span>;
  // What may be over soon can be tried again.
  if (failed && problem.way !== "retry") return failed;
  return (
    <>
      {failed}
      <Button kind="plain" disabled={state.pending ?? false} onClick={() => void open()}>
        <span><span class="unseen">Open </span>Original <span aria-hidden="true">↗</span></span>
      </Button>
    </>
  );
}
