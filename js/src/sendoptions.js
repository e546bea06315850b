import { mustBeTopic } from './names.js';
import { noOthers } from './options.js';

/**
 * sendOptions takes the options of what sends a message apart: the fields that go along with
 * it, and the signal. what is the call, which names an option that there is not.
 */
export function sendOptions(what, { topic, signal, ...rest } = {}) {
  noOthers(what, rest);
  const fields = {};
  if (topic !== undefined) {
    mustBeTopic(topic);
    fields.topic = topic;
  }
  return { fields, signal };
}
