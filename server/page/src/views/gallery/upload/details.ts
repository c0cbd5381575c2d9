// What all pictures of one upload have in common.

export interface Details {
  /** Put before the name of each file to make its id. */
  readonly prefix: string;
  readonly camera: string;
  readonly track: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Attributes of lines "name: value" or "name = value"; words about the first line that is neither instead. */
export function attributesOf(text: string): { readonly attributes: Record<string, string> } | { readonly problem: string } {
  const attributes: Record<string, string> = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const [, name, value] = /^([^:=]+?)\s*[:=]\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return { problem: `“${line}” has no value. Write, for example, “place: harbour”.` };
    if (Object.hasOwn(attributes, name)) return { problem: `“${name}” is given twice.` };
    attributes[name] = value;
  }
  return { attributes };
}

/** The ids of files, in their order, and those that more than one file would have. */
export function idsOf(names: readonly string[], prefix: string): { readonly ids: readonly string[]; readonly twice: ReadonlySet<string> } {
  const ids = names.map((name) => prefix + name);
  return { ids, twice: new Set(ids.filter((id, i) => ids.indexOf(id) !== i)) };
}
