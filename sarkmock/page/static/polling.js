// Asks again and again while somebody looks. Knows no view.

// Calls `ask` now and every so many milliseconds until `signal`; not while the page is hidden, nor while one is under way.
// What goes wrong the first time is thrown; later it is tried again, and the bar says that the mock does not answer.
export function poll(ask, milliseconds, signal) {
  let busy = false;
  const once = async () => {
    if (busy || document.hidden || signal.aborted) return;
    busy = true;
    try {
      await ask();
    } finally {
      busy = false;
    }
  };
  const again = () => once().catch(() => {});
  const timer = setInterval(again, milliseconds);
  document.addEventListener("visibilitychange", again, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
  return once();
}
