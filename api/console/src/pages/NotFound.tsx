import { Link, useLocation } from "wouter";
import { PageHead } from "../parts/Panel";

export function NotFound() {
  const [at] = useLocation();
  return (
    <PageHead
      title="There is no such page"
      detail={
        <p>
          Nothing lives at <code>{at}</code>. <Link href="/">Go to the overview</Link>, or press Ctrl K and type what you look for.
        </p>
      }
    />
  );
}
