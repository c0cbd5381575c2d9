// Saves the search as a report.
import { useState } from "preact/hooks";
import { reportService } from "../../../api/clients.ts";
import { problemOf, type Problem } from "../../../api/problem.ts";
import { gallery } from "../../../api/server.ts";
import { ReportFormat } from "../../../gen/partlens/v1/report_service_pb.ts";
import { owned } from "../../../pictures/pictures.ts";
import type { Question } from "../../../query/question.ts";
import { toRequest } from "../../../query/request.ts";
import { announce } from "../../../ui/announcer.tsx";
import { Button } from "../../../ui/button.tsx";
import { Dialog } from "../../../ui/dialog.tsx";
import { save } from "./save.ts";

const FORMATS = [[ReportFormat.PDF, "PDF, to print or file"], [ReportFormat.HTML, "Web page, to read in a browser"]] as const;

interface Props {
  readonly question: Question;
  /** Number of results in sight, which the report holds as far as the server allows. */
  readonly results: number;
  readonly onClose: () => void;
}

export function ReportDialog({ question, results, onClose }: Props) {
  const [title, setTitle] = useState(""), [format, setFormat] = useState<ReportFormat>(ReportFormat.PDF);
  const [pending, setPending] = useState(false), [problem, setProblem] = useState<Problem | undefined>(undefined);
  const most = Math.max(1, Math.min(results, gallery.value?.limits?.searchPageSize ?? results));
  const make = async () => {
    setPending(true);
    setProblem(undefined);
    try {
      const search = { ...toRequest(question), groupBy: question.groupBy, pageSize: most };
      const { report } = await reportService.reportSearch({ search, format, title });
      if (report) save(owned(report.data), report.mediaType, report.name || "report");
      announce("The report is saved");
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
      setPending(false);
    }
  };
  return (
    <Dialog title="Report of this search" onClose={onClose}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); void make(); }}>
        <label class="field">
          <span>Title, such as the number of a case</span>
          <input value={title} maxLength={200} autofocus onInput={(event) => setTitle(event.currentTarget.value)} />
        </label>
        <fieldset class="filter-group">
          <legend>Format</legend>
          {FORMATS.map(([value, words]) => (
            <label class="check" key={value}>
              <input type="radio" name="format" checked={format === value} onChange={() => setFormat(value)} /><span>{words}</span>
            </label>
          ))}
        </fieldset>
        <p class="quiet">It holds the query, its regions and the best {most} results, with their maps, numbers and digests.</p>
        {problem && <p class="problem" role="alert"><strong>{problem.title}.</strong> {problem.text}</p>}
        <p class="row">
          <Button kind="primary" type="submit" disabled={pending}>{pending ? "Writing the report…" : "Save report"}</Button>
          <Button onClick={onClose}>Cancel</Button>
        </p>
      </form>
    </Dialog>
  );
}
