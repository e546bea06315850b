import { mustBeShortName } from './names.js';
import { milliseconds } from './numbers.js';
import { noOthers } from './options.js';
import { MAX_EXPIRES } from './shapes.js';

/**
 * sendOptions takes the options of what sends a message apart: the fields that go along with
 * it, and the signal. what is the call, which names an option that there is not.
 */
export function sendOptions(what, { topic, expires, signal, ...rest } = {}) {
  noOthers(what, rest);
  const fields = {};
  if (topic !== undefined) {
    mustBeShortName('topic', topic);
    fields.topic = topic;
  }
  if (expires !== undefined) {
    fields.expires_ms = milliseconds('expires', expires, 1, MAX_EXPIRES);
  }
  return { fields, signal };
}
