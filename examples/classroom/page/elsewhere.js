// The same class in two tabs: the one that has it tells the other how to go on with it.

const NAME = 'classroom';

// How long another tab may take to answer, in milliseconds.
const PATIENCE = 1000;

const sameClass = (one, other) => ['role', 'channel', 'username'].every((key) => one[key] === other[key]);

// Where site data are blocked there is none.
function connect() {
  try {
    return new BroadcastChannel(NAME);
  } catch {
    return null;
  }
}

/**
 * lend lets another tab of this browser go on with a class that this one is in. It returns
 * what ends that.
 *
 * @param {object} who
 * @param {() => {ticket: object, notebook: object}} give what the other tab needs
 */
export function lend(who, give) {
  let channel = null;
  const open = () => {
    channel ??= connect();
    channel?.addEventListener('message', ({ data: { asks, id } }) => {
      if (asks && sameClass(asks, who)) {
        channel.postMessage({ id, given: JSON.stringify(give()) });
      }
    });
  };
  // An open channel keeps a page out of the browser's back/forward cache.
  const close = () => {
    channel?.close();
    channel = null;
  };
  open();
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  return () => {
    removeEventListener('pagehide', close);
    removeEventListener('pageshow', open);
    close();
  };
}

/** borrow is what another tab gives that is in the class, or null where there is none. */
export function borrow({ role, channel: name, username }) {
  const channel = connect();
  if (!channel) {
    return Promise.resolve(null);
  }
  const id = crypto.getRandomValues(new Uint32Array(2)).join('-');
  return new Promise((resolve) => {
    const finish = (given) => {
      clearTimeout(timer);
      channel.close();
      resolve(given);
    };
    const timer = setTimeout(finish, PATIENCE, null);
    channel.addEventListener('message', ({ data }) => {
      if (data.id === id && data.given) {
        finish(JSON.parse(data.given));
      }
    });
    channel.postMessage({ id, asks: { role, channel: name, username } });
  });
}
