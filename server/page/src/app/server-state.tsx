// One line under the header while the server is away, loading or indexing. Its place is kept, so that nothing jumps.
import { gallery, serverProblem } from "../api/server.ts";

export function ServerState() {
  const problem = serverProblem.value;
  if (problem && problem.way !== "sign-in") {
    // A server that is loading is no fault.
    const calm = problem.reason === "NOT_READY";
    return (
      <div class={calm ? "server-state" : "server-state problem"} role="status">
        <strong>{problem.title}.</strong> {problem.text}
      </div>
    );
  }
  const now = gallery.value?.indexing;
  if (!now) return null;
  if (now.problem) {
    return <div class="server-state problem" role="status"><strong>Indexing stopped.</strong> {now.problem}</div>;
  }
  if (now.finished) return null;
  const done = Number(now.done), total = Number(now.total);
  return (
    <div class="server-state" role="status">
      <label class="row">
        <span>
          {total ? `Indexing: ${done.toLocaleString()} of ${total.toLocaleString()} pictures` : "Indexing: counting the pictures"}
          {now.skipped > 0n && `, ${now.skipped.toLocaleString()} could not be read`}
        </span>
        {total ? <progress max={total} value={done} /> : <progress />}
        <span class="quiet">You can already search what is there.</span>
      </label>
    </div>
  );
}
