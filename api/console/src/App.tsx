import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Route, Switch, useLocation } from "wouter";
import { Fault } from "./api/client";
import { listen } from "./api/live";
import { useWhoami } from "./api/queries";
import { Audit } from "./pages/Audit";
import { Execution } from "./pages/Execution";
import { NotFound } from "./pages/NotFound";
import { Overview } from "./pages/Overview";
import { RegionPage } from "./pages/RegionPage";
import { RunbookPage } from "./pages/RunbookPage";
import { Runbooks } from "./pages/Runbooks";
import { Runs } from "./pages/Runs";
import { ServicePage } from "./pages/ServicePage";
import { SignIn } from "./pages/SignIn";
import { Boundary } from "./parts/Boundary";
import { FaultNote } from "./parts/FaultNote";
import { Shell } from "./shell/Shell";

export function App() {
  const queries = useQueryClient();
  const whoami = useWhoami();
  const [at] = useLocation();
  const name = whoami.data?.name;

  useEffect(() => (name === undefined ? undefined : listen(queries)), [queries, name]);

  if (whoami.error instanceof Fault && whoami.error.status === 401) return <SignIn />;
  if (whoami.data === undefined) {
    return (
      <main style={{ maxWidth: 640, margin: "18vh auto 0", padding: "0 20px" }}>
        {whoami.error ? <FaultNote error={whoami.error} retry={() => void whoami.refetch()} /> : null}
      </main>
    );
  }
  return (
    <Shell me={whoami.data}>
      <Boundary key={at}>
      <Switch>
        <Route path="/">
          <Overview me={whoami.data} />
        </Route>
        <Route path="/regions/:region">{({ region }) => <RegionPage key={region} id={region} me={whoami.data} />}</Route>
        <Route path="/services/:service">{({ service }) => <ServicePage key={service} id={service} />}</Route>
        <Route path="/runbooks">
          <Runbooks />
        </Route>
        <Route path="/runbooks/:name">{({ name }) => <RunbookPage key={name} name={name} me={whoami.data} />}</Route>
        <Route path="/executions">
          <Runs />
        </Route>
        <Route path="/executions/:id">{({ id }) => <Execution key={id} id={id} me={whoami.data} />}</Route>
        <Route path="/audit">
          <Audit />
        </Route>
        <Route path="/sign-in">
          <SignIn />
        </Route>
        <Route>
          <NotFound />
        </Route>
      </Switch>
      </Boundary>
    </Shell>
  );
}
