// Moves through a grid of items with the arrow keys.

const CONTROLS = "a, button, input";

/** Arrow keys move from a control of one item of a list to the same control of its neighbours. */
export function moveFocus(event: KeyboardEvent): void {
  const from = event.target;
  if (!(from instanceof HTMLElement) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const card = from.closest("li"), list = card?.parentElement;
  if (!card || !list) return;
  const cards = [...list.children], columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const next = step === undefined ? undefined : cards[cards.indexOf(card) + step];
  if (!next) return;
  const controls = [...card.querySelectorAll<HTMLElement>(CONTROLS)], others = next.querySelectorAll<HTMLElement>(CONTROLS);
  event.preventDefault();
  (others[controls.indexOf(from)] ?? others[0])?.focus();
}
