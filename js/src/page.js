/**
 * watchPage tells when the page's network goes and comes, and when the page wakes
 * up, where there is a page. It returns what ends that.
 *
 * @param {{gone: () => void, woken: () => void}} told
 */
export function watchPage({ gone, woken }) {
  const listeners = [];
  const listen = (target, type, listener) => {
    if (typeof target?.addEventListener === 'function') {
      target.addEventListener(type, listener);
      listeners.push(() => target.removeEventListener(type, listener));
    }
  };
  const { document } = globalThis;
  listen(globalThis, 'online', woken);
  listen(globalThis, 'offline', gone);
  listen(globalThis, 'pageshow', woken);
  listen(document, 'visibilitychange', () => {
    if (document.visibilityState === 'visible') {
      woken();
    }
  });
  return () => listeners.forEach((remove) => remove());
}
