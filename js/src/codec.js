// The binary form of the protocol, PROTOCOL.md, section 12.
//
// A frame is an object with its type and the fields that are given. A field that
// is zero, false or empty is not given, except where that means something. A
// payload is {kind: 'text' | 'data' | 'bytes', bytes: Uint8Array}. An answer that says no has failed in
// its place, {code, message}, where the message may be left out.

import { MAX_CODE, failureProblem } from './failure.js';
import { problemInJSON } from './json.js';
import { whole } from './numbers.js';
import {
  FIRST_CRITICAL, LAST_CONTROL, LAST_TYPE, MAX_ATTRIBUTES, MAX_EXPIRES, MAX_KNOCKS, MAX_NUMBER, fieldsByTag, payloadTags, shapesByByte,
  shapesByType,
} from './shapes.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** DecodeError tells why a frame could not be read. */
export class DecodeError extends Error {
  /**
   * @param {string} code bad_frame or unsupported
   * @param {string} detail for people
   * @param {number} ref the frame's ref, where that much could be read, else 0
   * @param {boolean} noForm the input is in neither form of the protocol
   */
  constructor(code, detail, ref = 0, noForm = false) {
    super(`${code}: ${detail}`);
    this.name = 'DecodeError';
    this.code = code;
    this.ref = ref;
    this.noForm = noForm;
  }
}

/** Problem is thrown within, where the ref is not at hand. */
class Problem extends Error {}

// Writing.

class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  #reserve(size) {
    if (this.#length + size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + size));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
  }

  byte(value) {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  raw(bytes) {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  number(value) {
    let rest = whole('a number of a frame', value);
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.byte((rest % 0x80) | 0x80);
    }
    this.byte(rest);
  }

  /** field writes a tag, and the length and the bytes of its content. */
  field(tag, content) {
    this.byte(tag);
    this.number(content.length);
    this.raw(content);
  }

  /** counted writes the length and the bytes. */
  counted(bytes) {
    this.number(bytes.length);
    this.raw(bytes);
  }

  done() {
    return this.#bytes.slice(0, this.#length);
  }
}

const states = ['', 'online', 'away'];

function writeContent(field, value) {
  const content = new Writer();
  const writeMember = (member) => {
    const name = encoder.encode(member.username);
    content.number(name.length);
    content.raw(name);
    content.byte(states.indexOf(member.state));
  };
  switch (field.kind) {
    case 'string':
      return encoder.encode(value);
    case 'flag':
      break;
    case 'choice':
      content.number(value ? 1 : 0);
      break;
    case 'word':
      content.number(field.words.indexOf(value) + 1);
      break;
    case 'member':
      writeMember(value);
      break;
    case 'members':
      value.forEach(writeMember);
      break;
    case 'failure': {
      const code = encoder.encode(value.code);
      content.number(code.length);
      content.raw(code);
      content.raw(encoder.encode(value.message ?? ''));
      break;
    }
    case 'attributes':
      writeAttributes(content, value);
      break;
    case 'knocks':
      for (const { knock, username, attributes = [] } of value) {
        const [name, inner] = [encoder.encode(username), new Writer()];
        writeAttributes(inner, attributes);
        content.number(knock);
        content.counted(name);
        content.counted(inner.done());
      }
      break;
    case 'numbers':
      value.forEach((number) => content.number(number));
      break;
    default:
      content.number(value);
  }
  return content.done();
}

function writeAttributes(content, attributes) {
  for (const { key, payload } of attributes) {
    content.counted(encoder.encode(key));
    content.field(payloadTags[payload.kind], payload.bytes);
  }
}

// The numbers of the members of a list, or undefined where none has one.
function numbersOf(members = []) {
  return members.some(({ number }) => number) ? members.map(({ number = 0 }) => number) : undefined;
}

/**
 * encode writes a frame. Its strings must be well formed; a required field that
 * is not given is written as zero or empty.
 */
export function encode(frame) {
  const shape = shapesByType.get(frame.type);
  const out = new Writer();
  out.byte(shape.byte);
  for (const field of shape.fields) {
    const value = field.kind === 'numbers' ? numbersOf(frame.members) : frame[field.name];
    if (value !== undefined && (value || field.kept)) {
      out.field(field.tag, writeContent(field, value));
    } else if (shape.required.has(field.name)) {
      out.field(field.tag, writeContent(field, field.kind === 'string' ? '' : 0));
    }
  }
  if (shape.payload && frame.payload !== undefined) {
    out.field(payloadTags[frame.payload.kind], frame.payload.bytes);
  }
  return out.done();
}

// Reading.

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  get more() {
    return this.at < this.bytes.length;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** number reads a varint. One over MAX_NUMBER is Infinity. */
  number(problem) {
    // The lowest seven groups and the rest are counted apart, since their sum may
    // be too large to be exact.
    let low = 0;
    let high = 0;
    for (let group = 0; ; group++) {
      if (!this.more || group === 10) {
        throw new Problem(problem);
      }
      const byte = this.byte();
      const bits = byte & 0x7f;
      if (group < 7) {
        low += bits * 2 ** (7 * group);
      } else {
        high += bits * 2 ** (7 * (group - 7));
      }
      if (byte < 0x80) {
        if (byte === 0 && group > 0) {
          throw new Problem(problem);
        }
        const exact = high < 16 || (high === 16 && low === 0);
        return exact ? low + high * 2 ** 49 : Infinity;
      }
    }
  }

  take(problem) {
    const length = this.number(problem);
    if (length > this.bytes.length - this.at) {
      throw new Problem(problem);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

function readText(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Problem('not UTF-8');
  }
}

function readNumber(content, least, most, problem) {
  const reader = new Reader(content);
  const value = reader.number(problem);
  if (reader.more || value < least || value > most) {
    throw new Problem(problem);
  }
  return value;
}

function readMember(reader) {
  const problem = 'an entry of a member is malformed';
  const name = reader.take(problem);
  const state = states[reader.more ? reader.byte() : 0];
  if (!state) {
    throw new Problem(problem);
  }
  return { username: readText(name), state };
}

function readFailure(reader) {
  const problem = 'failed: a code is missing';
  const code = readText(reader.take(problem));
  const left = reader.bytes.subarray(reader.at);
  const wrong = code.length > MAX_CODE ? problem : failureProblem(code, left.length);
  if (wrong !== '') {
    throw new Problem(wrong);
  }
  const message = readText(left);
  return message === '' ? { code } : { code, message };
}

function readContent(field, content) {
  const reader = new Reader(content);
  switch (field.kind) {
    case 'string':
      return readText(content);
    case 'flag':
      if (content.length > 0) {
        throw new Problem('a flag has no content');
      }
      return true;
    case 'choice':
      return readNumber(content, 0, 1, 'a flag is neither true nor false') === 1;
    case 'word':
      return field.words[readNumber(content, 1, field.words.length, `a ${field.name} that does not exist`) - 1];
    case 'member': {
      const member = readMember(reader);
      if (reader.more) {
        throw new Problem('more than one member');
      }
      return member;
    }
    case 'failure':
      return readFailure(reader);
    case 'members': {
      const members = [];
      while (reader.more) {
        members.push(readMember(reader));
      }
      return members;
    }
    case 'expiry':
      return readNumber(content, 1, MAX_EXPIRES, 'a time that is not from a millisecond to a day');
    case 'attributes':
      return readAttributes(reader);
    case 'knocks':
      return readKnocks(reader);
    default:
      return readNumber(content, field.kind === 'positive' ? 1 : 0, MAX_NUMBER,
        'a number is not a whole one in its range');
  }
}

// Gives each member of a list, which is the field before, its number.
function readNumbers(members = [], content) {
  const problem = 'there is not one number for each member';
  const reader = new Reader(content);
  for (const member of members) {
    const number = reader.number(problem);
    if (number > MAX_NUMBER) {
      throw new Problem('a number is not a whole one in its range');
    }
    if (number > 0) {
      member.number = number;
    }
  }
  if (reader.more) {
    throw new Problem(problem);
  }
}

function readAttributes(reader) {
  const problem = 'an attribute is malformed';
  const all = [];
  while (reader.more) {
    const key = readText(reader.take(problem));
    const kind = kindsByTag.get(reader.more ? reader.byte() : 0);
    const payload = readPayload(kind, reader.take(problem));
    if (!kind || all.length === MAX_ATTRIBUTES || all.some((other) => other.key === key)) {
      throw new Problem(problem);
    }
    all.push({ key, payload });
  }
  return all;
}

function readKnocks(reader) {
  const problem = 'a knock is malformed';
  const all = [];
  while (reader.more) {
    const knock = reader.number(problem);
    const username = readText(reader.take(problem));
    const attributes = readAttributes(new Reader(reader.take(problem)));
    if (knock === 0 || knock > MAX_NUMBER || all.length === MAX_KNOCKS) {
      throw new Problem(problem);
    }
    all.push(attributes.length > 0 ? { knock, username, attributes } : { knock, username });
  }
  return all;
}

const kindsByTag = new Map(Object.entries(payloadTags).map(([kind, tag]) => [tag, kind]));

const space = (byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;

function readPayload(kind, content) {
  if (kind === 'text') {
    readText(content);
  }
  if (kind !== 'data') {
    return { kind, bytes: content };
  }
  const problem = problemInJSON(readText(content));
  if (problem !== '') {
    throw new Problem(problem);
  }
  let [from, to] = [0, content.length];
  while (space(content[from])) {
    from++;
  }
  while (space(content[to - 1])) {
    to--;
  }
  return { kind, bytes: content.subarray(from, to) };
}

function readFields(frame, shape, reader) {
  let last = -1;
  let critical = false;
  let payloads = 0;
  const seen = new Set();
  while (reader.more) {
    const tag = reader.byte();
    if (tag <= last) {
      throw new Problem('tags do not ascend');
    }
    last = tag;
    const content = reader.take('a length is not minimal or leads over the end');
    const field = fieldsByTag.get(tag);
    if (field?.kind === 'numbers' && shape?.has.has(field.name)) {
      readNumbers(frame.members, content);
    } else if (field && (field.name === 'ref' || shape?.has.has(field.name))) {
      const value = readContent(field, content);
      seen.add(field.name);
      if (value || field.kept || shape?.required.has(field.name)) {
        frame[field.name] = value;
      }
    } else if (tag >= FIRST_CRITICAL) {
      critical = true;
    } else if (kindsByTag.has(tag) && shape?.payload) {
      frame.payload = readPayload(kindsByTag.get(tag), content);
      payloads++;
    }
  }
  if (shape === undefined) {
    throw new DecodeError('unsupported', 'a type that is not known', frame.ref);
  }
  if (critical) {
    throw new DecodeError('unsupported', 'a field that must be known and is not', frame.ref);
  }
  for (const name of shape.required) {
    if (!seen.has(name)) {
      throw new Problem('a required field is missing');
    }
  }
  const carried = payloads + (frame.failed ? 1 : 0);
  if (shape.payload && (carried > 1 || (carried === 0 && !shape.emptied))) {
    throw new Problem('not exactly one payload');
  }
  if (frame.failed && (!frame.reply || frame.asks || frame.request)) {
    throw new Problem('failed: only an answer says no, and it is no request');
  }
  if (frame.type === 'presence' && frame.role === 'master' && frame.state === 'left') {
    throw new Problem('a state that does not exist here');
  }
}

// Whether the input begins as a frame does.
function isBinary(bytes) {
  if (bytes.length === 0 || bytes[0] === 0 || bytes[0] > LAST_TYPE) {
    return false;
  }
  return bytes[0] <= LAST_CONTROL || bytes[1] === 0x01 || bytes[1] === 0x02;
}

/**
 * decode reads one frame of the binary form, whose payload lies in the input
 * then. What it throws is always a DecodeError.
 *
 * @param {Uint8Array} bytes
 */
export function decode(bytes) {
  if (!isBinary(bytes)) {
    throw new DecodeError('bad_frame', 'not the binary form', 0, true);
  }
  const shape = shapesByByte.get(bytes[0]);
  const frame = { type: shape?.type };
  try {
    const reader = new Reader(bytes);
    reader.byte();
    readFields(frame, shape, reader);
  } catch (error) {
    if (error instanceof Problem) {
      throw new DecodeError('bad_frame', error.message, frame.ref);
    }
    throw error;
  }
  return frame;
}
