export function WatchView() {
  return <h1>Watch</h1>;
}
