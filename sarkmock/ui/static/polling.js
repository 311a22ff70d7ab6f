// Asks again and again while somebody looks. Knows no view.

const REST = 4;  // times as long as an answer took: the mock has one thread, and others ask it, too

// Calls `ask` now and every so many milliseconds until `signal`; not while the page is hidden, nor while one is under way.
// What goes wrong the first time is thrown; later it is tried again, and the bar says that the mock does not answer.
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
