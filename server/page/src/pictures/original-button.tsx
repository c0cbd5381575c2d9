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
  if (state.problem) {
    const gone = state.problem.reason === "PICTURE_UNAVAILABLE";
    return <span class="hit-problem" role="alert" title={state.problem.text}>{gone ? "No original" : state.problem.title}</span>;
  }
  return (
    <Button kind="plain" disabled={state.pending ?? false} onClick={() => void open()}>
      <span><span class="unseen">Open </span>Original <span aria-hidden="true">↗</span></span>
    </Button>
  );
}
