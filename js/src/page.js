/**
 * watchPage tells when the page's network goes and comes, when the page wakes up, and when
 * it is put away and comes back, where there is a page. It returns what ends that.
 *
 * @param {{gone: () => void, woken: () => void, putAway: () => void, back: () => void}} told
 */
export function watchPage({ gone, woken, putAway, back }) {
  const { document } = globalThis;
  const cleanups = [];
  const listen = (target, type, listener, capture = false) => {
    if (typeof target?.addEventListener === 'function') {
      target.addEventListener(type, listener, capture);
      cleanups.push(() => target.removeEventListener(type, listener, capture));
    }
  };
  const last = (target, type, listener) => {
    target.removeEventListener(type, listener);
    target.addEventListener(type, listener);
  };
  // A listener of capture is called before the others, so that this one becomes the last
  // of them. At its own events a window calls all in one row in some browsers.
  const listenLast = (target, type, listener) => {
    listen(target, type, listener);
    listen(target, type, () => last(target, type, listener), true);
  };

  // The page's own listeners come first, and may still say something. So a pagehide counts
  // when the page is hidden, or frozen, which follows at once. Where neither will, since it is
  // hidden already and the browser tells of no freezing, the listener has become the last one.
  let hiding;
  const settle = () => {
    clearTimeout(hiding);
    hiding = undefined;
  };
  const leave = () => {
    settle();
    putAway();
  };
  const hide = () => {
    if (document?.visibilityState === 'visible' || (document && 'onfreeze' in document)) {
      hiding = setTimeout(leave);
    } else {
      leave();
    }
  };
  const show = () => {
    settle();
    back();
  };
  cleanups.push(settle);
  listen(globalThis, 'online', woken);
  listen(globalThis, 'offline', gone);
  listen(globalThis, 'pagehide', hide);
  listenLast(globalThis, 'visibilitychange', () => {
    if (hiding !== undefined && document?.visibilityState !== 'visible') {
      leave();
    }
  });
  listenLast(document, 'freeze', leave);
  listen(globalThis, 'pageshow', ({ persisted }) => {
    if (persisted !== false) { // else it is shown for the first time
      show();
    }
  });
  listen(document, 'resume', show);
  listen(document, 'visibilitychange', () => {
    if (document.visibilityState === 'visible') {
      show();
    } else if (hiding === undefined) {
      last(globalThis, 'pagehide', hide);
    }
  });
  return () => cleanups.forEach((clean) => clean());
}
