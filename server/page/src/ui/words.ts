// Short words that several views use.

/** A text of at most so many characters, shortened in the middle: ids differ at their ends. */
export function shortened(text: string, most: number): string {
  const characters = Array.from(text);
  if (characters.length <= most) return text;
  const head = Math.ceil((most - 1) / 2), tail = most - 1 - head;
  return `${characters.slice(0, head).join("")}…${characters.slice(characters.length - tail).join("")}`;
}

export function counted(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

/** A time in the words of the browser's language. */
export function timeWords(time: Date): string {
  return time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** When something is tried again by itself; "" if it is not. */
export function againWords(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  return seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again now.";
}
