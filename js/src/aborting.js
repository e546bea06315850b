/** orAborted is what a promise that is never rejected resolves with, unless the signal is aborted before. */
export function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    promise.then((value) => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    });
  });
}
