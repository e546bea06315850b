import { HTTP, WEBSOCKET } from './carrier.js';
import { milliseconds, whole } from './numbers.js';
import { LONGEST } from './timer.js';

const transports = { auto: [WEBSOCKET, HTTP], [WEBSOCKET]: [WEBSOCKET], [HTTP]: [HTTP] };

const times = {
  minBackoff: 200,
  maxBackoff: 5000,
  dialTimeout: 10_000,
  closeTimeout: 5000,
  silence: 10_000,
  patience: 5000,
  wakePatience: 2000,
};

const sizes = { maxMessageBytes: 64 << 10 };
const inboxSizes = { messages: 1024, bytes: 4 << 20 };

// An option that is given as undefined is not given.
const given = (options) => Object.fromEntries(
  Object.entries(options).filter(([, value]) => value !== undefined));

/**
 * noOthers throws where an option was given that there is not: one of another call, or a
 * misspelt one, would do nothing and say nothing. rest are the options that are left.
 */
export function noOthers(what, rest) {
  const [name] = Object.keys(given(rest));
  if (name !== undefined) {
    throw new TypeError(`${what} has no option ${name}`);
  }
}

const known = [
  'transport', 'WebSocket', 'fetch', 'credentials', 'plainHandshake', 'tokenInHandshake', 'token', 'storage', 'storageKey', 'inbox', 'countSlaves',
  ...Object.keys(times), ...Object.keys(sizes),
];

/**
 * optionsOf is what the client uses of the options that it was given, all of them there and
 * valid, but for what the platform has.
 */
export function optionsOf(options) {
  noOthers('Client', Object.fromEntries(Object.entries(options).filter(([name]) => !known.includes(name))));
  const all = {
    transport: 'auto',
    credentials: 'same-origin',
    inbox: {},
    ...times,
    ...sizes,
    ...given(options),
  };
  if (all.token !== undefined && typeof all.token !== 'function') {
    throw new TypeError('token must be a function, which gives a token');
  }
  if (!Object.keys(transports).includes(all.transport)) {
    throw new TypeError("transport is 'auto', 'websocket' or 'http'");
  }
  if (!['same-origin', 'include', 'omit'].includes(all.credentials)) {
    throw new TypeError("credentials are 'same-origin', 'include' or 'omit'");
  }
  if (typeof all.inbox !== 'object' || all.inbox === null) {
    throw new TypeError('inbox must be an object');
  }
  noOthers('inbox', Object.fromEntries(Object.entries(all.inbox).filter(([name]) => !(name in inboxSizes))));
  const inbox = { ...inboxSizes, ...given(all.inbox) };
  for (const name of Object.keys(times)) {
    // Without any time nothing would be waited for, but for the end.
    all[name] = milliseconds(name, all[name], name === 'closeTimeout' ? 0 : 1, LONGEST);
  }
  if (options.minBackoff !== undefined && options.maxBackoff !== undefined && all.maxBackoff < all.minBackoff) {
    throw new RangeError(`maxBackoff must not be below minBackoff, ${all.minBackoff}, and is ${all.maxBackoff}`);
  }
  for (const name of Object.keys(sizes)) {
    all[name] = whole(name, all[name], 1);
  }
  for (const name of Object.keys(inboxSizes)) {
    inbox[name] = whole(`inbox.${name}`, inbox[name], 1);
  }
  return { ...all, inbox, countSlaves: Boolean(all.countSlaves) };
}

/**
 * withPlatform adds to the options what the platform has, and the ways that there are by it, where the client is to be
 * used.
 */
export function withPlatform(options) {
  const { transport, WebSocket = globalThis.WebSocket, fetch = globalThis.fetch } = options;
  const there = { [WEBSOCKET]: typeof WebSocket === 'function', [HTTP]: typeof fetch === 'function' };
  const ways = transports[transport].filter((way) => there[way]);
  if (ways.length === 0) {
    const name = transport === HTTP ? 'fetch' : 'WebSocket';
    throw new TypeError(`there is no ${name} here: give one as options.${name}`);
  }
  // What has gone along is told by the protocol that the hub chooses.
  const plainHandshake = options.plainHandshake || !('protocol' in (WebSocket?.prototype ?? {}));
  return { ...options, ways, WebSocket, fetch, plainHandshake };
}

/** doorOf is a door as it is given, which must be one. */
export function doorOf(door) {
  if (door !== undefined && !['open', 'knock', 'locked'].includes(door)) {
    throw new TypeError("a door is 'open', 'knock' or 'locked'");
  }
  return door;
}
