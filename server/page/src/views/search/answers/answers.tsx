export function Answers() {
  return <p>Answers</p>;
}
