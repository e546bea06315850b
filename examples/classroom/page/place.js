// The place of one who waits to come in, kept over a reload. A join that waits is no membership: its end is that of the
// connection, and nothing is left of it but what the page has written down.

import { Code } from '/lectern.js';
import { storage } from './notebook.js';
import { heldByOneAway } from './words.js';

const KEY = 'classroom waiting';

// How long until it is asked once more where the name is still held, and for how long that is done where nobody
// tells until when it is, in milliseconds. A hub that has not noticed the end of a connection takes 15 seconds for it.
const ASK_AGAIN = 2000;
const PATIENCE = 20_000;

/** keepPlace writes down where one waits. It counts under the present address. */
export function keepPlace(place) {
  try {
    storage.setItem(KEY, JSON.stringify({ address: location.href, place }));
  } catch {
    // A storage that is full or forbidden costs the reload, not the place.
  }
}

/** forgetPlace: one waits there no longer. */
export function forgetPlace() {
  storage.removeItem(KEY);
}

/**
 * keptPlace is where this tab has waited under the present address before it was loaded again, or null. Who has gone
 * elsewhere since does not wait any more.
 */
export function keptPlace() {
  try {
    const { address, place } = JSON.parse(storage.getItem(KEY));
    if (address === location.href) {
      return place;
    }
  } catch {
    // There is none, or it is another page's.
  }
  forgetPlace();
  return null;
}

/**
 * comeAgain asks for a place again and again, for as long as the name is held from before the page was loaded: by a
 * connection whose end the hub does not know of yet, or by a seat that was granted at that very moment.
 *
 * @param {() => Promise<object>} join
 * @param {{signal: AbortSignal, held: () => void}} how held is told that it is so
 */
export async function comeAgain(join, { signal, held }) {
  const began = Date.now();
  for (;;) {
    try {
      return await join();
    } catch (error) {
      const passes = error.code === Code.NAME_TAKEN && (heldByOneAway(error) || Date.now() - began < PATIENCE);
      if (!passes) {
        throw error;
      }
    }
    held();
    await new Promise((resolve) => {
      setTimeout(resolve, ASK_AGAIN);
      signal.addEventListener('abort', resolve, { once: true });
    });
  }
}
