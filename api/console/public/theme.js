// Runs before the first paint, so that a dark room never sees a white flash.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("fairlead-theme");
  } catch (_) {
    // Storage may be forbidden; then the system's choice holds.
  }
  var dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
