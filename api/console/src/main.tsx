import "./styles";
import "./app.css";
import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { Fault } from "./api/client";
import { App } from "./App";
import { theme } from "./theme";

const queries: QueryClient = new QueryClient({
  // A session that ended is noticed wherever it shows first.
  queryCache: new QueryCache({
    onError: (error, query) => {
      if (error instanceof Fault && error.status === 401 && query.queryKey[0] !== "whoami") {
        void queries.invalidateQueries({ queryKey: ["whoami"] });
      }
    },
  }),
  defaultOptions: {
    queries: {
      // A refusal is an answer; only silence is worth asking again at once.
      retry: (failures, error) => failures < 2 && error instanceof Fault && error.kind === "unavailable",
      retryDelay: (n) => 500 * 2 ** n * (0.5 + Math.random() / 2),
      refetchIntervalInBackground: false,
      // The browser's guess that there is no network says nothing of loopback
      // or a private one.
      networkMode: "always",
    },
    mutations: { retry: false, networkMode: "always" },
  },
});

createRoot(document.getElementById("root")!).render(
  <MantineProvider
    theme={theme}
    defaultColorScheme="auto"
    colorSchemeManager={localStorageColorSchemeManager({ key: "fairlead-theme" })}
  >
    <QueryClientProvider client={queries}>
      <Notifications position="bottom-right" autoClose={6000} />
      <App />
    </QueryClientProvider>
  </MantineProvider>,
);
