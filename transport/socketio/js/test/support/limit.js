/** How long anything that is awaited may take, in milliseconds. */
export const LIMIT = 30_000;

/** within fails a promise that takes too long, and says for what. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`never came: ${what}`)), LIMIT);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
