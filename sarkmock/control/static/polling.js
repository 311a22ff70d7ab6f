// Repeats a request while the page is visible.

const REST = 4;  // pause, in multiples of the response time: the mock is single-threaded and has other clients

// Calls `ask` now and at an interval until `signal` aborts; not while the page is hidden or a call is pending. Only an
// error of the first call is thrown; later ones are retried, and the status bar shows that the mock does not respond.
export function poll(ask, milliseconds, signal) {
  let busy = false, next = 0;
  const once = async () => {
    const began = performance.now();
    if (busy || began < next || document.hidden || signal.aborted) return;
    busy = true;
    try {
      await ask();
    } finally {
      busy = false;
      next = performance.now() + REST * (performance.now() - began);
    }
  };
  const again = () => once().catch(() => {});
  const timer = setInterval(again, milliseconds);
  document.addEventListener("visibilitychange", again, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
  return once();
}
