import { stop } from "../state/format";

/** What to do, with a command of the program set apart so that it can be copied whole. */
export function Remedy({ text }: { text: string }) {
  const at = text.search(/\bfairlead [a-z]/);
  if (at < 0) return <>{stop(text)}</>;
  return (
    <>
      {text.slice(0, at)}
      <code>{text.slice(at)}</code>
    </>
  );
}
