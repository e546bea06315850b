// The lectern package, built from js/src by npm run build. MIT license.

// src/content.js
var kinds = { text: "text", data: "json", bytes: "bytes" };
var decoder = new TextDecoder("utf-8", { ignoreBOM: true });
var Content = class {
  #bytes;
  constructor({ kind, bytes }) {
    this.kind = kinds[kind];
    this.#bytes = bytes.slice();
  }
  /** The payload's size in bytes. */
  get size() {
    return this.#bytes.length;
  }
  /** text returns the text, the JSON text, or the bytes read as UTF-8. */
  text() {
    return decoder.decode(this.#bytes);
  }
  /** json returns the value. It throws a TypeError where the payload is no JSON. */
  json() {
    if (this.kind !== "json") {
      throw new TypeError(`the payload is ${this.kind}, not JSON`);
    }
    return JSON.parse(this.text());
  }
  /** bytes returns a copy of the payload's bytes. */
  bytes() {
    return this.#bytes.slice();
  }
};
function payloadIn(content) {
  return { kind: content.kind === kinds.data ? "data" : content.kind, bytes: content.bytes() };
}

// src/timer.js
var LONGEST = 2 ** 31 - 1;
function later(milliseconds2, callback) {
  let timer;
  const wait = (rest) => {
    timer = setTimeout(() => rest > LONGEST ? wait(rest - LONGEST) : callback(), Math.min(rest, LONGEST));
  };
  wait(milliseconds2);
  return () => clearTimeout(timer);
}

// src/attributes.js
var EMPTY = { kind: "text", bytes: new Uint8Array() };
var Attribute = class extends Content {
  constructor(from, key, payload, seq) {
    super(payload ?? EMPTY);
    this.type = "attribute";
    this.from = from;
    this.key = key;
    this.seq = seq;
    this.deleted = payload === void 0;
    Object.freeze(this);
  }
};
function renamed(attribute, from) {
  const { key, seq, deleted } = attribute;
  return new Attribute(from, key, deleted ? void 0 : payloadIn(attribute), seq);
}
var Values = class _Values extends Map {
  /** altered is a copy in which the attribute has the place of the one with its key, or in which that is deleted. */
  altered(attribute) {
    const all = new _Values();
    const put = (key, value) => super.set.call(all, key, value);
    this.forEach((value, key) => key === attribute.key && attribute.deleted || put(key, value));
    if (!attribute.deleted) {
      put(attribute.key, attribute);
    }
    return all;
  }
  set() {
    throw new TypeError("attributes are set by setAttribute");
  }
  delete() {
    throw new TypeError("attributes are deleted by deleteAttribute");
  }
  clear() {
    this.delete();
  }
};
var NONE = new Values();
var ANEW_WITHIN = 100;
function same(one, other) {
  const [a, b] = [one.bytes(), other.bytes()];
  return one.kind === other.kind && a.length === b.length && a.every((byte, index) => byte === b[index]);
}
var Attributes = class {
  /**
   * The number up to which those of the others are known. It is lower than that of the newest message while
   * they are told anew.
   */
  known = 0;
  #told;
  // By name, and there by key; and the numbers of the last changes in the same way.
  #others = /* @__PURE__ */ new Map();
  #numbers = /* @__PURE__ */ new Map();
  #own = NONE;
  // Those that were there before a reset and were not told anew so far, and of whom that is: undefined is
  // of everybody. Null: there was no reset. What is told anew follows right behind it: until then all is as it was, so
  // that what has not changed does not come and go.
  #stale = null;
  #cancel = () => {
  };
  /** @param {(attribute: Attribute) => void} told is told of each change */
  constructor(told) {
    this.#told = told;
  }
  /** own are those that were set for this member, by this handle or a client before it, by their keys. */
  get own() {
    return this.#own;
  }
  /** of returns those of a member, by their keys. */
  of(username) {
    return this.#others.get(username) ?? NONE;
  }
  /** arrived notes that what has the number has come, and everything before it. */
  arrived(seq) {
    this.known = Math.max(this.known, seq);
  }
  /** changed takes in a change. One that comes a second time is dropped. */
  changed(from, key, payload, seq) {
    if (this.#stale && (this.#stale.from ?? from) !== from) {
      this.settle();
    }
    const before = this.of(from);
    const known3 = before.get(key);
    const numbers2 = this.#numbers.get(from) ?? /* @__PURE__ */ new Map();
    const anew = Boolean(known3 && this.#stale?.left.delete(known3));
    this.#awaitNext();
    const last = numbers2.get(key) ?? 0;
    if (known3 ? seq < last || seq === last && !anew : !payload) {
      return;
    }
    const attribute = new Attribute(from, key, payload, seq);
    this.#numbers.set(from, numbers2.set(key, seq));
    if (!anew || attribute.deleted || !same(known3, attribute)) {
      this.#change(before, attribute);
    }
  }
  #change(before, attribute) {
    const { from, key, deleted } = attribute;
    const after2 = before.altered(attribute);
    if (deleted) {
      this.#numbers.get(from).delete(key);
    }
    if (after2.size > 0) {
      this.#others.set(from, after2);
    } else {
      this.forget(from);
    }
    this.#told(attribute);
  }
  /** reset takes in that those of a member, or of everybody, are told anew: others are gone. */
  reset({ from, seq = 0 }) {
    this.settle();
    if (from === void 0) {
      this.known = 0;
    }
    const names2 = from === void 0 ? [...this.#others.keys()] : [from];
    this.#stale = { from, seq, left: new Set(names2.flatMap((name) => [...this.of(name).values()])) };
    this.#awaitNext();
  }
  #awaitNext() {
    this.#cancel();
    if (this.#stale?.left.size > 0) {
      this.#cancel = later(ANEW_WITHIN, () => this.settle());
    }
  }
  /** settle is for what is not told anew: it comes behind that, or some time has passed. What was not is gone. */
  settle() {
    if (!this.#stale) {
      return;
    }
    this.#cancel();
    const { seq, left } = this.#stale;
    this.#stale = null;
    for (const attribute of left) {
      const { from, key } = attribute;
      this.#change(this.of(from), new Attribute(from, key, void 0, Math.max(seq, this.#numbers.get(from).get(key))));
    }
  }
  /** forget forgets those of a member whose membership is over. */
  forget(name) {
    this.#others.delete(name);
    this.#numbers.delete(name);
  }
  /** rename has those of a member be another one's from now on. */
  rename(before, name) {
    this.settle();
    const all = this.of(before);
    if (all.size > 0) {
      this.#others.set(name, [...all.values()].reduce((values, each) => values.altered(renamed(each, name)), NONE));
      this.#numbers.set(name, this.#numbers.get(before));
      this.forget(before);
    }
  }
  /** toldOwn keeps those of this side, as the hub tells them. */
  toldOwn(username, all) {
    this.#own = NONE;
    all.forEach((attribute) => this.set(username, attribute));
  }
  /** set keeps what this side has set, and the hub has accepted. */
  set(username, { key, payload }, seq = 0) {
    this.#own = this.#own.altered(new Attribute(username, key, payload, seq));
  }
};

// src/codes.js
var refusals = [
  "bad_frame",
  "unsupported",
  "too_large",
  "rate_limited",
  "unauthorized",
  "forbidden",
  "no_such_channel",
  "channel_exists",
  "wrong_master",
  "name_taken",
  "bad_name",
  "banned",
  "locked",
  "denied",
  "channel_full",
  "too_many_channels",
  "not_a_member",
  "no_such_slave",
  "no_such_request",
  "busy",
  "too_late",
  "role_changed",
  "muted",
  "attributes_full",
  "resume_failed",
  "hub_lost",
  "shutting_down",
  "replaced"
];
var ends = {
  master_left: 4001,
  master_down: 4002,
  kicked: 4003,
  channel_closed: 4004,
  left: 4005,
  expired: 4006,
  revoked: 4007,
  handed_over: 4008,
  replaced: 4102,
  shutdown: 4106
};
var closes = {
  too_large: 1009,
  slow: 4101,
  protocol_error: 4103,
  idle: 4104,
  rate_limited: 4105,
  unauthorized: 4107
};
var own = ["protocol_error", "gap", "unknown_outcome", "connection", "declined", "detached"];

// src/errors.js
var Code = Object.freeze(Object.fromEntries(
  [...refusals, ...Object.keys(ends), ...own].map((code) => [code.toUpperCase(), code])
));
var LecternError = class extends Error {
  /**
   * @param {string} code
   * @param {string} [reason] says more, for people; it may come from the other side
   * @param {ErrorOptions} [options]
   */
  constructor(code, reason = "", options) {
    super(reason === "" ? code : `${code}: ${reason}`, options);
    this.name = new.target.name;
    this.code = code;
    this.reason = reason;
  }
};
var RefusedError = class extends LecternError {
};
var ClosedError = class extends LecternError {
};
var GapError = class extends LecternError {
  constructor(missed) {
    super(Code.GAP, missed === 0 ? "messages were dropped" : `${missed} messages were dropped`);
    this.missed = missed;
  }
};
var DeclinedError = class extends LecternError {
  constructor(peerCode, message = "") {
    super(Code.DECLINED, message === "" ? peerCode : `${peerCode}: ${message}`);
    this.peerCode = peerCode;
    this.reason = message;
  }
};
var UnknownOutcomeError = class extends LecternError {
  constructor(cause) {
    super(Code.UNKNOWN_OUTCOME, `the hub may have carried it out or not (${cause.message})`, { cause });
  }
};
var ConnectionError = class extends LecternError {
  constructor(reason, cause) {
    super(Code.CONNECTION, reason, cause && { cause });
  }
};
var passing = /* @__PURE__ */ new Set([Code.BUSY, Code.SHUTTING_DOWN, Code.RATE_LIMITED]);
function passes(error) {
  return error instanceof RefusedError && passing.has(error.code);
}
function refusalIn(frame) {
  return frame.type === "error" ? new RefusedError(frame.code, frame.reason) : void 0;
}

// src/happenings.js
var PresenceEvent = class extends Event {
  constructor(type, presence2) {
    super(type);
    this.presence = presence2;
  }
};
var AttributeEvent = class extends Event {
  constructor(attribute) {
    super("attribute");
    this.attribute = attribute;
  }
};
var MutedEvent = class extends Event {
  constructor(on) {
    super("muted");
    this.on = on;
  }
};
var CountsEvent = class extends Event {
  constructor(counts) {
    super("counts");
    this.counts = counts;
  }
};
var PromotedEvent = class extends Event {
  constructor(master) {
    super("promoted");
    this.master = master;
  }
};
var KnockEvent = class extends Event {
  constructor(knock) {
    super("knock");
    this.knock = knock;
  }
};
var GapEvent = class extends Event {
  constructor(missed) {
    super("gap");
    this.missed = missed;
  }
};
var StateEvent = class extends Event {
  constructor(state) {
    super("state");
    this.state = state;
  }
};
var TransportEvent = class extends Event {
  constructor(transport) {
    super("transport");
    this.transport = transport;
  }
};
var ClosedEvent = class extends Event {
  constructor(error) {
    super("closed");
    this.code = error.code;
    this.reason = error.reason;
    this.error = error;
  }
};

// src/names.js
var MAX_NAME = 128;
var halfPair = /[\ud800-\udfff]/u;
var encoder = new TextEncoder();
var plain = /^[A-Za-z0-9]$/;
var space = /^[ \u1680\u202f\u3000\u2800\u{13441}\u{13442}]$/u;
var otherSpace = /^\p{Zs}$/u;
var notSeen = /^[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]$/u;
var unseen = /^[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\u{1d159}\u{e0100}-\u{e01ef}]$/u;
var visible = /^[\p{L}\p{N}\p{P}\p{S}\p{Cn}]$/u;
var JOINER = "‍";
var NON_JOINER = "‌";
var EMOJI_STYLE = "️";
var KEYCAP = "⃣";
var MALAYALAM_VIRAMA = "്";
var BLACK_FLAG = "🏴";
var scripts = [
  "Arabic",
  "Balinese",
  "Bengali",
  "Chakma",
  "Devanagari",
  "Grantha",
  "Gujarati",
  "Gurmukhi",
  "Javanese",
  "Kannada",
  "Khmer",
  "Malayalam",
  "Meetei_Mayek",
  "Mongolian",
  "Myanmar",
  "Newa",
  "Nko",
  "Oriya",
  "Sinhala",
  "Syriac",
  "Tamil",
  "Telugu",
  "Tibetan",
  "Tirhuta"
];
var joinedScript = new RegExp(`^(?:ـ|${scripts.map((name) => `\\p{Script=${name}}`).join("|")})$`, "u");
var letterOrMark = /^[\p{L}\p{M}]$/u;
var harakat = /^[\u064b-\u0655\u0670]$/;
var pictograph = /^\p{Extended_Pictographic}$/u;
var colourful = /^\p{Emoji_Presentation}$/u;
var keys = /^[0-9#*]$/;
var skin = /^[\u{1f3fb}-\u{1f3ff}]$/u;
var styledBesides = /^[\u{1f004}\u{1f21a}\u{1f22f}]$/u;
var flagTags = ["gbeng", "gbsct", "gbwls"].map((word2) => [
  ...[...word2].map((letter) => String.fromCodePoint(917504 + letter.codePointAt(0))),
  "󠁿"
]);
var isJoiner = (c) => c === JOINER || c === NON_JOINER;
var joined = (c) => joinedScript.test(c) && letterOrMark.test(c) && !unseen.test(c);
function joins(before, c, after2) {
  if (c === JOINER) {
    if (before === MALAYALAM_VIRAMA && !isJoiner(after2)) {
      return true;
    }
    const emoji = pictograph.test(before) || before === EMOJI_STYLE || skin.test(before);
    if (emoji && pictograph.test(after2)) {
      return true;
    }
  }
  return (joined(before) || harakat.test(before)) && joined(after2);
}
function styled(before, after2) {
  if (keys.test(before)) {
    return after2 === KEYCAP;
  }
  return pictograph.test(before) && (before.codePointAt(0) <= 65535 || !colourful.test(before) || styledBesides.test(before));
}
function characterProblem(before, c, after2) {
  if (plain.test(c)) {
    return "";
  }
  if (space.test(c)) {
    return before === "" || after2 === "" ? "is a space at the end of it, or in front: leave it out" : "";
  }
  if (isJoiner(c)) {
    return joins(before, c, after2) ? "" : "is a joiner where it joins nothing: leave it out";
  }
  if (c === EMOJI_STYLE) {
    return styled(before, after2) ? "" : "cannot be seen there: leave it out";
  }
  if (otherSpace.test(c)) {
    return "is a space of another kind: write a plain one";
  }
  if (notSeen.test(c)) {
    return "is not a character that can be seen: leave it out";
  }
  return unseen.test(c) ? "cannot be seen: leave it out" : "";
}
var MAX_SHORT_NAME = 64;
function mustBeShortName(what, name) {
  if (typeof name !== "string") {
    throw new TypeError(`${what} must be a string`);
  }
  const problem = nameProblem(name, MAX_SHORT_NAME);
  if (problem !== "") {
    throw new RefusedError(Code.BAD_FRAME, `${what}: ${problem}`);
  }
}
function nameProblem(name, most = MAX_NAME) {
  mustBeString(name);
  if (name === "") {
    return "it is empty";
  }
  if (halfPair.test(name)) {
    return "it has half of a surrogate pair";
  }
  const { length } = encoder.encode(name);
  if (length > most) {
    return `it has ${length} bytes, and at most ${most} are possible`;
  }
  const characters = [...name];
  let seen = false;
  for (let index = 0; index < characters.length; index++) {
    const c = characters[index];
    const problem = characterProblem(characters[index - 1] ?? "", c, characters[index + 1] ?? "");
    if (problem !== "") {
      const number = c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      return `its character ${index + 1}, U+${number}, ${problem}`;
    }
    seen ||= visible.test(c) && !space.test(c);
    if (c === BLACK_FLAG) {
      const tags = flagTags.find((each) => each.every((tag, at) => characters[index + 1 + at] === tag));
      index += tags?.length ?? 0;
    }
  }
  return seen ? "" : "it has no letter, number, punctuation mark or symbol";
}
function sendable(name) {
  mustBeString(name);
  return name !== "" && !halfPair.test(name) && encoder.encode(name).length <= MAX_NAME;
}
function checkNames({ type, channel, username, expect }) {
  const problemOf = type === "resume" ? (name) => sendable(name) ? "" : nameProblem(name) : (name) => nameProblem(name);
  const check = (field, name) => {
    const problem = problemOf(name);
    if (problem !== "") {
      throw new RefusedError(Code.BAD_NAME, `${field}: ${problem}`);
    }
  };
  check("channel", channel);
  if (username !== "" || type === "resume") {
    check("username", username);
  }
  if (expect !== void 0 && expect !== "") {
    check("master", expect);
  }
}
function quoted(name) {
  const whole2 = JSON.stringify(name);
  return whole2.length <= 2 * MAX_NAME ? whole2 : `${JSON.stringify(name.slice(0, 64))}… (${encoder.encode(name).length} bytes)`;
}
function mustBeString(name) {
  if (typeof name !== "string") {
    throw new TypeError("a name is a string");
  }
}

// src/shapes.js
var MAX_NUMBER = 2 ** 53;
var MAX_EXPIRES = 24 * 60 * 60 * 1e3;
var MAX_ATTRIBUTES = 64;
var MAX_KNOCKS = 256;
var MAX_PAGE = 1024;
var words = {
  role: ["master", "slave"],
  state: ["online", "away", "left"],
  door: ["open", "knock", "locked"],
  for: ["master", "door"],
  roster: ["pages", "count"]
};
var fieldList = [
  [1, "ref", "positive"],
  [2, "channel", "string"],
  [3, "username", "string"],
  [4, "expect", "string"],
  [5, "token", "string"],
  [6, "secret", "string"],
  [7, "epoch", "number"],
  [8, "from", "string"],
  [9, "to", "string", "kept"],
  [10, "last", "number"],
  [11, "seq", "number"],
  [12, "slaves", "number"],
  [13, "private", "flag"],
  [14, "asks", "flag"],
  [15, "request", "positive"],
  [16, "reply", "positive"],
  [17, "exists", "choice", "kept"],
  [18, "role", "word"],
  [19, "state", "word"],
  [20, "master", "member"],
  [21, "master_timeout_ms", "number", "kept"],
  [22, "timeout_ms", "number", "kept"],
  [23, "gap", "flag"],
  [24, "code", "string"],
  [25, "missed", "number"],
  [26, "reason", "string"],
  [27, "ban", "flag"],
  [28, "members", "members", "kept"],
  [29, "number", "number"],
  // The numbers of the members, which have them in their objects.
  [30, "numbers", "numbers"],
  [31, "instance", "string"],
  [32, "seen", "number", "kept"],
  [33, "confirm_messages", "number"],
  [34, "confirm_bytes", "number"],
  [35, "topic", "string"],
  [36, "expires_ms", "expiry"],
  [37, "joined", "flag"],
  [38, "failed", "failure"],
  [39, "key", "string"],
  [40, "attributes", "attributes"],
  [41, "door", "word"],
  [42, "wait", "flag"],
  [43, "for", "word"],
  [44, "knock", "positive"],
  [45, "on", "choice", "kept"],
  [46, "stay", "flag"],
  [47, "muted", "flag"],
  [48, "knocks", "knocks"],
  [49, "roster", "word"],
  [50, "more", "flag"],
  [51, "online", "number"],
  [52, "away", "number"],
  [53, "after", "number"],
  [54, "limit", "positive"]
];
var fieldsByTag = new Map(fieldList.map(([tag, name, kind, kept]) => [
  tag,
  { tag, name, kind, kept: kept !== void 0, words: words[name] }
]));
var payloadTags = { text: 125, data: 126, bytes: 127 };
var FIRST_CRITICAL = 128;
var LAST_TYPE = 63;
var LAST_CONTROL = 31;
var shapeList = [
  [1, "create", "channel username", "token master_timeout_ms instance attributes door roster"],
  [2, "join", "channel username", "expect token from instance attributes wait roster"],
  [3, "resume", "channel username secret", "token epoch last seq instance roster"],
  [4, "send", "channel", "to asks reply epoch seen topic expires_ms failed", "payload"],
  [5, "leave", "channel", "epoch seen"],
  [6, "away", "channel", "epoch seen"],
  [7, "back", "channel", "epoch seen"],
  [8, "kick", "channel to", "reason ban epoch seen"],
  [9, "status", "channel", "exists master timeout_ms"],
  [10, "members", "channel", "members numbers epoch seen more online away after limit"],
  [11, "ping", "", "channel epoch seen"],
  [12, "withdraw", "channel request", "epoch seen"],
  [13, "awaiting", "channel request", "code members numbers epoch seen more after limit"],
  [14, "refresh", "channel token", "epoch seen"],
  [15, "set", "channel key", "epoch seen", "emptied"],
  [
    17,
    "created",
    "channel username secret epoch",
    "seq asks master_timeout_ms gap members numbers confirm_messages confirm_bytes attributes muted door knocks more online away"
  ],
  [18, "joined", "channel username secret master", "epoch asks master_timeout_ms attributes muted"],
  [19, "message", "channel from seq", "private request reply topic expires_ms failed", "payload"],
  [20, "presence", "channel username role state", "seq timeout_ms reason number joined attributes"],
  [21, "closed", "channel code", "reason"],
  [22, "gap", "channel missed", "seq"],
  [23, "ack", "", "seq slaves"],
  [24, "left", "channel", ""],
  [25, "pong", "", ""],
  [26, "error", "code", "channel reason"],
  [27, "shutdown", "timeout_ms", ""],
  [28, "attribute", "channel from seq key", "", "emptied"],
  [29, "reset", "channel", "from seq"],
  [30, "asked", "channel", ""],
  [32, "door", "channel door", "epoch seen"],
  [33, "admit", "channel knock", "epoch seen"],
  [34, "deny", "channel knock", "reason epoch seen"],
  [35, "mute", "channel on", "to epoch seen"],
  [36, "hand_over", "channel to", "username token secret epoch instance seen stay"],
  [48, "waiting", "channel for", "master timeout_ms"],
  [49, "knock", "channel username knock on", "attributes"],
  [50, "muted", "channel on", ""]
];
var names = (list) => list.split(" ").filter((name) => name !== "");
var shapes = shapeList.map(([byte, type, required, optional, payload]) => {
  const has = /* @__PURE__ */ new Set([...names(required), ...names(optional), "ref"]);
  return {
    byte,
    type,
    required: new Set(names(required)),
    // In the order of their tags, which is the order of writing.
    fields: [...fieldsByTag.values()].filter((field) => has.has(field.name)),
    has,
    payload: payload !== void 0,
    // One without a payload takes something away.
    emptied: payload === "emptied"
  };
});
var shapesByByte = new Map(shapes.map((shape) => [shape.byte, shape]));
var shapesByType = new Map(shapes.map((shape) => [shape.type, shape]));

// src/numbers.js
function numeric(name, value) {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, and is ${value === null ? "null" : typeof value}`);
  }
}
function whole(name, value, least = 0, most = MAX_NUMBER) {
  numeric(name, value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}, and is ${value}`);
  }
  return value;
}
function milliseconds(name, value, least = 0, most = MAX_NUMBER) {
  numeric(name, value);
  const rounded = Math.ceil(value);
  if (!(value >= least && rounded <= most)) {
    throw new RangeError(`${name} must be a number of milliseconds from ${least} to ${most}, and is ${value}`);
  }
  return rounded;
}

// src/bytes.js
var { get: byteLength } = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength");
function isBuffer(value) {
  try {
    byteLength.call(value);
    return true;
  } catch {
    return false;
  }
}
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
var AT_ONCE = 8192;
function base64(bytes) {
  let characters = "";
  for (let from = 0; from < bytes.length; from += AT_ONCE) {
    characters += String.fromCharCode(...bytes.subarray(from, from + AT_ONCE));
  }
  return btoa(characters);
}
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

// src/requests.js
var PAUSES = [100, 200, 400, 800, 1600];
var passing2 = /* @__PURE__ */ new Set([408, 429, 500, 502, 503, 504]);
var MUCH = 4096;
var LONG_AGO = 2e3;
function under(url, path) {
  const address = new URL(url);
  address.protocol = address.protocol.replace(/^ws/, "http");
  address.pathname = `${address.pathname.replace(/\/$/, "")}/${path}`;
  return address.href;
}
var Limit = class {
  expired = false;
  #controller = new AbortController();
  #timer;
  #life;
  #end = () => this.#controller.abort();
  /**
   * @param {AbortSignal} life the connection's
   * @param {number} milliseconds
   */
  constructor(life, milliseconds2) {
    this.#life = life;
    life.addEventListener("abort", this.#end);
    this.again(milliseconds2);
    if (life.aborted) {
      this.stop();
    }
  }
  get signal() {
    return this.#controller.signal;
  }
  /** again gives the request so much time from now on. */
  again(milliseconds2) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#end();
    }, Math.min(milliseconds2, LONGEST));
  }
  /** stop is called when the request is over. What still comes of it is not wanted. */
  stop() {
    clearTimeout(this.#timer);
    this.#life.removeEventListener("abort", this.#end);
    this.#end();
  }
};
var Retries = class {
  #failures = 0;
  #life;
  constructor(life) {
    this.#life = life;
  }
  /** worked is told that one has not failed. */
  worked() {
    this.#failures = 0;
  }
  /** pause resolves when it is time for the next one, or the connection is over. With false, there is none. */
  async pause() {
    const most = PAUSES[this.#failures++];
    if (most === void 0 || this.#life.aborted) {
      return false;
    }
    await new Promise((resolve) => {
      const over3 = () => {
        clearTimeout(timer);
        this.#life.removeEventListener("abort", over3);
        resolve();
      };
      const timer = setTimeout(over3, most * (1 + Math.random()) / 2);
      this.#life.addEventListener("abort", over3);
    });
    return !this.#life.aborted;
  }
};
var Requests = class {
  /** The secret, or empty. */
  connection = "";
  /** The number of the newest message that has arrived. */
  last = 0;
  #url;
  #fetch;
  #credentials;
  #madeAt = 0;
  // How many bytes have come since.
  #came = 0;
  constructor(url, { fetch, credentials }) {
    this.#url = url;
    this.#fetch = fetch;
    this.#credentials = credentials;
  }
  /**
   * make makes one. It is a POST where there is a body, also an empty one.
   *
   * @param {'open' | 'stream' | 'poll' | 'send'} path
   * @param {{body?: string, number?: number, signal?: AbortSignal, keepalive?: boolean}} how
   */
  async make(path, { body, number, signal, keepalive = false }) {
    this.#madeAt = performance.now();
    this.#came = 0;
    const headers = {};
    if (this.connection !== "") {
      headers["Lectern-Connection"] = this.connection;
      headers["Last-Event-ID"] = String(this.last);
    }
    if (number !== void 0) {
      headers["Lectern-Number"] = String(number);
    }
    const fetch = this.#fetch;
    return fetch(under(this.#url, path), {
      method: body === void 0 ? "GET" : "POST",
      headers,
      body,
      signal,
      keepalive,
      cache: "no-store",
      credentials: this.#credentials,
      redirect: "error"
    });
  }
  /** came is told that so many bytes have come, and reports whether the hub is to be told of it. */
  came(bytes) {
    this.#came += bytes;
    return this.#came >= MUCH && performance.now() - this.#madeAt >= LONG_AGO;
  }
};
function closeIn(text) {
  try {
    const { code, reason = "" } = JSON.parse(text);
    return Number.isInteger(code) && code > 0 ? { number: code, reason: String(reason) } : null;
  } catch {
    return null;
  }
}
async function refusalIn2(response) {
  const text = await response.text().catch(() => "");
  const close = closeIn(text);
  if (close) {
    return close;
  }
  if (passing2.has(response.status)) {
    return null;
  }
  return { number: 0, reason: response.status === 421 ? "the hub does not know the connection any more" : `answered by ${response.status}` };
}

// src/posts.js
var MAX_BODY = 64 << 10;
var MAX_FAREWELL = 6e4;
var Posts = class {
  #requests;
  #patience;
  #life;
  #retries;
  #told;
  #number = 0;
  // The lines of the next ones, and their messages' sizes.
  #lines = [];
  // What is under way, or null.
  #current = null;
  #waiting = 0;
  #closing = false;
  // A POST is to be made, though there may be no message.
  #due = false;
  #running = false;
  /**
   * @param {Requests} requests
   * @param {number} patience how long an answer may take before the POST is repeated, in milliseconds
   * @param {AbortSignal} life the connection's
   * @param {{heard: () => void, sent: () => void, ended: (how: {number: number, reason: string}) => void}} told sent: all that
   *   there was has been taken
   */
  constructor(requests, patience, life, told) {
    this.#requests = requests;
    this.#patience = patience;
    this.#life = life;
    this.#retries = new Retries(life);
    this.#told = told;
  }
  /** waiting is how many bytes of messages the hub has not taken, as far as that is known. */
  get waiting() {
    return this.#waiting;
  }
  /** busy: one is under way. */
  get busy() {
    return this.#running;
  }
  /** add sends a message. */
  add(bytes) {
    this.#waiting += bytes.length;
    this.#lines.push({ line: `=${base64(bytes)}
`, size: bytes.length });
    this.#start();
  }
  /** sign sends a sign of life, which says what has arrived. */
  sign() {
    this.#due = true;
    this.#start();
  }
  /** close ends the connection behind all that was sent. */
  close(number, reason) {
    this.#end(number, reason);
    this.#start();
  }
  /**
   * farewell ends the connection at once, when nothing of it goes on: it is tried, also where the page is about to go. What is
   * under way is made anew, since its request ends with the page.
   */
  farewell(number, reason) {
    const unanswered = this.#current;
    this.#end(number, reason);
    const say = (post) => this.#requests.make("send", { ...post, keepalive: post.body.length <= MAX_FAREWELL });
    const first = unanswered && say(unanswered).catch(() => {
    });
    if (this.#lines.length === 0) {
      return;
    }
    const last = { number: this.#number + 1, body: this.#lines.map(({ line }) => line).join("") };
    say(last).then(async ({ status }) => {
      if (status === 409 && first) {
        await first;
        await say(last);
      }
    }).catch(() => {
    });
  }
  #end(number, reason) {
    if (!this.#closing) {
      this.#closing = true;
      this.#lines.push({ line: `!${JSON.stringify({ code: number, reason })}
`, size: 0 });
    }
  }
  #start() {
    if (!this.#running) {
      this.#running = true;
      queueMicrotask(() => this.#run());
    }
  }
  async #run() {
    while (!this.#life.aborted && (this.#lines.length > 0 || this.#due)) {
      const post = this.#next();
      this.#current = post;
      if (!await this.#deliver(post)) {
        return;
      }
      this.#current = null;
      this.#waiting -= post.size;
      this.#retries.worked();
      this.#told.heard();
    }
    this.#running = false;
    this.#told.sent();
  }
  #next() {
    let count = 0;
    let characters = 0;
    for (const { line } of this.#lines) {
      if (count > 0 && characters + line.length > MAX_BODY) {
        break;
      }
      count++;
      characters += line.length;
    }
    this.#due = false;
    const taken = this.#lines.splice(0, count);
    return {
      number: ++this.#number,
      body: taken.map(({ line }) => line).join(""),
      size: taken.reduce((sum, { size }) => sum + size, 0)
    };
  }
  // deliver reports whether the hub has taken it. Else the connection is over.
  async #deliver({ number, body }) {
    for (; ; ) {
      const limit = new Limit(this.#life, this.#patience);
      try {
        const response = await this.#requests.make("send", { number, body, signal: limit.signal });
        if (response.status === 204) {
          return true;
        }
        const end = await refusalIn2(response);
        if (end) {
          this.#told.ended(end);
          return false;
        }
      } catch {
      } finally {
        limit.stop();
      }
      if (!limit.expired && !await this.#retries.pause()) {
        this.#told.ended({ number: 0, reason: "the hub cannot be reached" });
        return false;
      }
    }
  }
};

// src/eventstream.js
var MAX_EVENT = 32 << 20;
var EventStream = class {
  #tell = () => {
  };
  #decoder = new TextDecoder();
  // What has come of the present line.
  #line = "";
  // The last character was a carriage return: a line feed behind it belongs to it.
  #returned = false;
  #event = {};
  #size = 0;
  /**
   * feed takes the next piece.
   *
   * @param {Uint8Array} bytes
   * @param {(event: {type: string, data: string, id: string | undefined}) => void} tell is told each event that is whole
   */
  feed(bytes, tell) {
    this.#tell = tell;
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#returned && text !== "") {
      this.#returned = false;
      text = text.startsWith("\n") ? text.slice(1) : text;
    }
    let from = 0;
    for (const { 0: end, index } of text.matchAll(/\r\n?|\n/g)) {
      const line = this.#line + text.slice(from, index);
      this.#line = "";
      from = index + end.length;
      this.#returned = end === "\r" && from === text.length;
      this.#take(line);
    }
    this.#line += text.slice(from);
    this.#bound(this.#line.length);
  }
  #bound(size) {
    if (size > MAX_EVENT) {
      throw new RangeError("an event is too large");
    }
  }
  #take(line) {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") {
      this.#size += value.length + 1;
      this.#bound(this.#size);
      (this.#event.lines ??= []).push(value);
    } else if (field === "event") {
      this.#event.type = value;
    } else if (field === "id") {
      this.#event.id = value;
    }
  }
  // An event without data is none.
  #dispatch() {
    const { lines, type = "message", id } = this.#event;
    this.#event = {};
    this.#size = 0;
    if (lines) {
      this.#tell({ type: type === "" ? "message" : type, data: lines.join("\n"), id });
    }
  }
};

// src/receiving.js
var FIRST_EVENT = 2e3;
var SERVED = 5e3;
var AT_ONCE2 = 1e3;
var SILENT_STREAMS = 2;
var POLLS = 6e5;
var Receiving = class {
  #requests;
  #silence;
  #life;
  #remembered;
  #retries;
  #told;
  // Polls are made, and the time until then, which is known once one was answered.
  #polls;
  #pollsUntil = Infinity;
  #over = false;
  // How many streams in a row have fallen silent.
  #silent = 0;
  /**
   * @param {Requests} requests
   * @param {number} silence how long nothing at all may come, in milliseconds
   * @param {AbortSignal} life the connection's
   * @param {Remembered} remembered
   * @param {{heard: () => void, message: (bytes: Uint8Array) => void, asked: () => void,
   *   much: () => void, ended: (how: {number: number, reason: string}) => void}} told asked: the hub wants a sign of life; much:
   *   it is to be told what has arrived, if nothing else tells it
   */
  constructor(requests, silence, life, remembered, told) {
    this.#requests = requests;
    this.#silence = silence;
    this.#life = life;
    this.#remembered = remembered;
    this.#retries = new Retries(life);
    this.#told = told;
    this.#polls = remembered.has("polls");
  }
  /** run returns when the connection is over. */
  async run() {
    await this.#poll();
    while (!this.#over && !this.#life.aborted) {
      await (this.#polls ? this.#poll() : this.#stream());
    }
  }
  async #poll() {
    const began = performance.now();
    const limit = new Limit(this.#life, this.#silence);
    const response = await this.#ask("poll", limit);
    const whole2 = await response?.arrayBuffer().catch(() => null);
    limit.stop();
    if (whole2) {
      this.#told.heard();
      const brought = this.#read(new EventStream(), new Uint8Array(whole2));
      this.#polled();
      if (brought || performance.now() - began >= AT_ONCE2) {
        this.#retries.worked();
        return;
      }
    }
    await this.#pause();
  }
  // That polls get through where streams do not is known by now.
  #polled() {
    if (this.#polls && this.#pollsUntil === Infinity) {
      this.#pollsUntil = performance.now() + POLLS;
      this.#remembered.keep("polls", POLLS);
    } else if (performance.now() >= this.#pollsUntil) {
      this.#polls = false;
      this.#pollsUntil = Infinity;
      this.#silent = 0;
    }
  }
  async #stream() {
    const began = performance.now();
    const age = () => performance.now() - began;
    const limit = new Limit(this.#life, FIRST_EVENT);
    const response = await this.#ask("stream", limit);
    const reader = response?.body.getReader();
    const events = new EventStream();
    let opened = false;
    while (reader && !this.#over) {
      const { value } = await reader.read().catch(() => ({}));
      if (!value) {
        break;
      }
      this.#told.heard();
      opened = this.#read(events, value) || opened;
      if (this.#requests.came(value.length)) {
        this.#told.much();
      }
      if (opened) {
        limit.again(this.#silence);
      }
      if (opened && age() >= SERVED) {
        this.#silent = 0;
      }
    }
    limit.stop();
    if (limit.expired) {
      this.#silent += opened ? 1 : SILENT_STREAMS;
      this.#polls = this.#silent >= SILENT_STREAMS;
    } else if (opened && age() >= SERVED) {
      this.#retries.worked();
    } else {
      await this.#pause(opened);
    }
  }
  // ask resolves with an answer that can be read, or null. Where the hub has refused it, that is the end.
  async #ask(path, limit) {
    const response = await this.#requests.make(path, { signal: limit.signal }).catch(() => null);
    if (!response) {
      return null;
    }
    if (response.ok && /^text\/event-stream\b/.test(response.headers.get("Content-Type") ?? "")) {
      return response;
    }
    const end = await refusalIn2(response);
    if (end) {
      this.#end(end);
    }
    return null;
  }
  // streams: they get through, and are cut soon.
  async #pause(streams = false) {
    if (this.#over || await this.#retries.pause() || this.#life.aborted) {
      return;
    }
    if (streams) {
      this.#polls = true;
      this.#retries.worked();
    } else {
      this.#end({ number: 0, reason: "the hub cannot be reached" });
    }
  }
  // read takes the events in some bytes, and reports whether there were any. What is wrong with them is not mended by
  // another request.
  #read(events, bytes) {
    const all = [];
    try {
      events.feed(bytes, (event) => all.push(event));
    } catch (error) {
      this.#end({ number: 0, reason: error.message });
    }
    all.forEach((event) => this.#take(event));
    return all.length > 0;
  }
  #take({ type, data, id }) {
    if (this.#over) {
      return;
    }
    if (type === "message" || type === "binary") {
      this.#message(id, type === "binary" ? fromBase64(data) : new TextEncoder().encode(data));
    } else if (type === "probe") {
      this.#told.asked();
    } else if (type === "close") {
      this.#end(closeIn(data) ?? { number: 0, reason: "closed" });
    }
  }
  // One that comes again is known already. One that is missing does not come any more.
  #message(id, bytes) {
    const number = Number(id);
    if (number <= this.#requests.last) {
      return;
    }
    if (number !== this.#requests.last + 1 || !bytes) {
      this.#end({ number: 0, reason: "a message is missing, or damaged" });
      return;
    }
    this.#requests.last = number;
    this.#told.message(bytes);
  }
  #end(how) {
    if (!this.#over) {
      this.#over = true;
      this.#told.ended(how);
    }
  }
};

// src/remembered.js
var inMemory = /* @__PURE__ */ new Map();
function storage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
var Remembered = class {
  #key;
  /** @param {string} url of a hub */
  constructor(url) {
    this.#key = `lectern ways ${new URL(url).host}`;
  }
  /** has reports whether something was kept, and its time is not over. */
  has(what) {
    return this.#read()[what] > Date.now();
  }
  /** keep remembers something for so many milliseconds. */
  keep(what, milliseconds2) {
    this.#write({ ...this.#read(), [what]: Date.now() + milliseconds2 });
  }
  forget(what) {
    const { [what]: _, ...rest } = this.#read();
    if (_ !== void 0) {
      this.#write(rest);
    }
  }
  #read() {
    try {
      return JSON.parse(storage()?.getItem(this.#key) ?? inMemory.get(this.#key) ?? "{}") ?? {};
    } catch {
      return {};
    }
  }
  #write(all) {
    const written = JSON.stringify(all);
    try {
      if (storage()) {
        storage().setItem(this.#key, written);
        return;
      }
    } catch {
    }
    inMemory.set(this.#key, written);
  }
};

// src/httpstream.js
var PROBE = 1e4;
var GIVE_UP = 5e3;
var LAST_EVENTS = 1e3;
var timeOf = (value, otherwise) => Number.isFinite(value) && value > 0 ? value : otherwise;
var HTTPStream = class {
  #state = "connecting";
  #life = new AbortController();
  #requests;
  #remembered;
  #told;
  #posts = null;
  // How this side has ended it.
  #leaves = null;
  #ending;
  constructor(url, options, told) {
    this.#told = told;
    this.#requests = new Requests(url, options);
    this.#remembered = new Remembered(url);
    this.#connect();
  }
  get connecting() {
    return this.#state === "connecting";
  }
  get open() {
    return this.#state === "open";
  }
  get waiting() {
    return this.#posts?.waiting ?? 0;
  }
  send(bytes) {
    this.#posts.add(bytes);
  }
  close(number, reason) {
    if (this.open) {
      this.#state = "closing";
      this.#leaves = { number, reason };
      this.#posts.close(number, reason);
    }
  }
  abandon(number, reason) {
    if (this.#state !== "over") {
      const knows = this.#ending !== void 0;
      this.#over();
      if (!knows) {
        this.#posts?.farewell(number, reason);
      }
    }
  }
  async #connect() {
    const { how, connection, probe, giveUp } = await this.#opening().catch((error) => ({ how: { number: 0, reason: `could not connect: ${error.message}` } }));
    if (how) {
      this.#end(how);
      return;
    }
    this.#requests.connection = connection;
    this.#begin(timeOf(probe, PROBE) + timeOf(giveUp, GIVE_UP));
  }
  async #opening() {
    const response = await this.#requests.make("open", { body: "", signal: this.#life.signal });
    if (!response.ok) {
      return { how: await refusalIn2(response) ?? { number: 0, reason: `answered by ${response.status}` } };
    }
    const { connection, probe_ms: probe, give_up_ms: giveUp } = await response.json();
    if (typeof connection !== "string" || connection === "") {
      throw new TypeError("what answers is no hub");
    }
    return { connection, probe, giveUp };
  }
  // patience is how long anything of the connection may take.
  #begin(patience) {
    if (this.#state === "over") {
      return;
    }
    this.#state = "open";
    const { signal } = this.#life;
    const heard = () => this.#state !== "over" && this.#told.heard();
    const ended = (how) => this.#end(how);
    this.#posts = new Posts(this.#requests, patience, signal, {
      heard,
      sent: () => this.#leaves && this.#end(this.#leaves),
      ended: (how) => this.#refused(how)
    });
    const receiving = new Receiving(this.#requests, patience, signal, this.#remembered, {
      heard,
      message: (bytes) => this.#state !== "over" && this.#told.message(bytes),
      asked: () => this.#posts.sign(),
      much: () => this.#posts.busy || this.#posts.sign(),
      ended
    });
    this.#told.opened(false);
    receiving.run();
  }
  // A POST was refused. What the hub has said before it has closed the connection is still to be had.
  #refused(how) {
    if (how.number === 0) {
      this.#end(how);
    } else if (this.#state !== "over") {
      this.#state = "closing";
      this.#ending = setTimeout(() => this.#end(how), LAST_EVENTS);
    }
  }
  #over() {
    this.#state = "over";
    clearTimeout(this.#ending);
    this.#life.abort();
  }
  #end(how) {
    if (this.#state !== "over") {
      this.#over();
      this.#told.closed(how);
    }
  }
};

// src/websocket.js
var PROTOCOL = "lectern.v1";
var PROTOCOL_FIRST = `${PROTOCOL}.first`;
var MAX_FIRST = 2048;
function protocols(first) {
  return first && first.length <= MAX_FIRST ? [PROTOCOL, PROTOCOL_FIRST, `${PROTOCOL_FIRST}.${base64url(first)}`] : [PROTOCOL];
}
var WebSocketCarrier = class {
  #socket;
  #told;
  #wasOpen = false;
  #ended = false;
  constructor(url, { WebSocket }, first, told) {
    this.#told = told;
    this.#socket = new WebSocket(url, protocols(first));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#wasOpen = true;
      told.opened(this.#socket.protocol === PROTOCOL_FIRST);
    };
    this.#socket.onmessage = ({ data }) => told.message(isBuffer(data) ? new Uint8Array(data) : new Uint8Array());
    this.#socket.onerror = () => this.#failed();
    this.#socket.onclose = ({ code, reason }) => this.#end({ number: code === 1005 || code === 1006 ? 0 : code, reason });
  }
  get connecting() {
    return this.#socket.readyState === 0;
  }
  get open() {
    return this.#socket.readyState === 1;
  }
  get waiting() {
    return this.#socket.bufferedAmount ?? 0;
  }
  send(bytes) {
    this.#socket.send(bytes);
  }
  close(number, reason) {
    this.#socket.close(number, reason);
  }
  abandon(number, reason) {
    this.#ended = true;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    const { open } = this;
    if (open) {
      this.#socket.close(number, reason);
    }
    if (typeof this.#socket.terminate === "function") {
      this.#socket.terminate();
    } else if (!open) {
      this.#socket.close();
    }
  }
  // An error is followed by a close, which tells more. But where a connection
  // could not be made, some versions of Node tell an error alone.
  #failed() {
    if (!this.#wasOpen) {
      setTimeout(() => {
        if (!this.#ended) {
          this.abandon();
          this.#told.closed({ number: 0, reason: "could not connect" });
        }
      }, 0);
    }
  }
  #end(how) {
    if (!this.#ended) {
      this.#ended = true;
      this.#told.closed(how);
    }
  }
};

// src/carrier.js
var WEBSOCKET = "websocket";
var HTTP = "http";
function carrierBy(way, url, options, first, told) {
  return way === HTTP ? new HTTPStream(url, options, told) : new WebSocketCarrier(url, options, first, told);
}

// src/options.js
var transports = { auto: [WEBSOCKET, HTTP], [WEBSOCKET]: [WEBSOCKET], [HTTP]: [HTTP] };
var times = {
  minBackoff: 200,
  maxBackoff: 5e3,
  dialTimeout: 1e4,
  closeTimeout: 5e3,
  silence: 1e4,
  patience: 5e3,
  wakePatience: 2e3
};
var sizes = { maxMessageBytes: 64 << 10 };
var inboxSizes = { messages: 1024, bytes: 4 << 20 };
var given = (options) => Object.fromEntries(
  Object.entries(options).filter(([, value]) => value !== void 0)
);
function noOthers(what, rest) {
  const [name] = Object.keys(given(rest));
  if (name !== void 0) {
    throw new TypeError(`${what} has no option ${name}`);
  }
}
var known = [
  "transport",
  "WebSocket",
  "fetch",
  "credentials",
  "plainHandshake",
  "tokenInHandshake",
  "token",
  "storage",
  "storageKey",
  "inbox",
  "countSlaves",
  ...Object.keys(times),
  ...Object.keys(sizes)
];
function optionsOf(options) {
  noOthers("Client", Object.fromEntries(Object.entries(options).filter(([name]) => !known.includes(name))));
  const all = {
    transport: "auto",
    credentials: "same-origin",
    inbox: {},
    ...times,
    ...sizes,
    ...given(options)
  };
  if (all.token !== void 0 && typeof all.token !== "function") {
    throw new TypeError("token must be a function, which gives a token");
  }
  if (!Object.keys(transports).includes(all.transport)) {
    throw new TypeError("transport is 'auto', 'websocket' or 'http'");
  }
  if (!["same-origin", "include", "omit"].includes(all.credentials)) {
    throw new TypeError("credentials are 'same-origin', 'include' or 'omit'");
  }
  if (typeof all.inbox !== "object" || all.inbox === null) {
    throw new TypeError("inbox must be an object");
  }
  noOthers("inbox", Object.fromEntries(Object.entries(all.inbox).filter(([name]) => !(name in inboxSizes))));
  const inbox = { ...inboxSizes, ...given(all.inbox) };
  for (const name of Object.keys(times)) {
    all[name] = milliseconds(name, all[name], name === "closeTimeout" ? 0 : 1, LONGEST);
  }
  if (options.minBackoff !== void 0 && options.maxBackoff !== void 0 && all.maxBackoff < all.minBackoff) {
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
function withPlatform(options) {
  const { transport, WebSocket = globalThis.WebSocket, fetch = globalThis.fetch } = options;
  const there = { [WEBSOCKET]: typeof WebSocket === "function", [HTTP]: typeof fetch === "function" };
  const ways = transports[transport].filter((way) => there[way]);
  if (ways.length === 0) {
    const name = transport === HTTP ? "fetch" : "WebSocket";
    throw new TypeError(`there is no ${name} here: give one as options.${name}`);
  }
  const plainHandshake = options.plainHandshake || !("protocol" in (WebSocket?.prototype ?? {}));
  return { ...options, ways, WebSocket, fetch, plainHandshake };
}
function doorOf(door) {
  if (door !== void 0 && !["open", "knock", "locked"].includes(door)) {
    throw new TypeError("a door is 'open', 'knock' or 'locked'");
  }
  return door;
}

// src/presence.js
var LAST_TIME = 864e13;
function after(milliseconds2) {
  return new Date(Math.min(Date.now() + milliseconds2, LAST_TIME));
}
function stateOf(state) {
  return state === "left" ? "gone" : state;
}
function presence(role, username, state, { deadline = null, reason = "", joined: joined2 = false } = {}) {
  return Object.freeze({ type: "presence", role, username, state, since: /* @__PURE__ */ new Date(), deadline, joined: joined2, reason });
}

// src/aborting.js
function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener("abort", abort, { once: true });
    promise.then((value) => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    });
  });
}

// src/json.js
var MAX_DEPTH = 64;
var pair = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}/g;
var half = /\\u[dD][89a-fA-F][0-9a-fA-F]{2}/;
function problemInJSON(text) {
  try {
    JSON.parse(text);
  } catch {
    return "data is not one JSON value";
  }
  let depth = 0;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[{\]}]/g)) {
    switch (token[0]) {
      case "[":
      case "{":
        if (++depth > MAX_DEPTH) {
          return "JSON is nested too deeply";
        }
        break;
      case "]":
      case "}":
        depth--;
        break;
      default:
        if (token.includes("\\u") && half.test(token.replaceAll("\\\\", "  ").replace(pair, " "))) {
          return "half of a surrogate pair";
        }
    }
  }
  return "";
}

// src/stringify.js
var known2 = /* @__PURE__ */ new Set(["Object", "Array", "Number", "String", "Boolean"]);
function without(value, inArray) {
  switch (typeof value) {
    case "object": {
      if (value === null) {
        return "";
      }
      const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
      return known2.has(kind) || Array.isArray(value) ? "" : `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`;
    }
    case "number":
      return Number.isFinite(value) ? "" : String(value);
    case "undefined":
      return inArray ? "undefined in an array" : "";
    case "string":
    case "boolean":
      return "";
    default:
      return `a ${typeof value}`;
  }
}
function stringify(value) {
  return JSON.stringify(value, function check(key, part) {
    const what = without(part, Array.isArray(this));
    if (what !== "") {
      const where = key === "" ? "" : `, at ${JSON.stringify(key)}`;
      throw new TypeError(`${what} has no JSON${where}`);
    }
    return part;
  });
}

// src/payload.js
var JSONPayload = class {
  #value;
  constructor(value) {
    this.#value = value;
  }
  // So another copy of this module knows one too.
  toJSON(key) {
    const value = this.#value;
    return typeof value?.toJSON === "function" ? value.toJSON(key) : value;
  }
};
function json(value) {
  return new JSONPayload(value);
}
var encoder2 = new TextEncoder();
function payloadOf(value, limit) {
  const payload = convert(value);
  if (payload.bytes.length > limit) {
    throw new RefusedError(Code.TOO_LARGE, `the payload has ${payload.bytes.length} bytes, and this client sends ${limit} at most`);
  }
  return payload;
}
function convert(value) {
  if (typeof value === "string") {
    if (halfPair.test(value)) {
      throw new RefusedError(Code.BAD_FRAME, "the text has half of a surrogate pair");
    }
    return { kind: "text", bytes: encoder2.encode(value) };
  }
  if (ArrayBuffer.isView(value)) {
    return { kind: "bytes", bytes: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice() };
  }
  if (isBuffer(value)) {
    return { kind: "bytes", bytes: new Uint8Array(value).slice() };
  }
  if (typeof Blob === "function" && value instanceof Blob) {
    throw new TypeError("a Blob is read first, for instance by its arrayBuffer()");
  }
  const text = stringify(value);
  if (text === void 0) {
    throw new TypeError("the value has no JSON");
  }
  const problem = problemInJSON(text);
  if (problem !== "") {
    throw new RefusedError(Code.BAD_FRAME, problem);
  }
  return { kind: "data", bytes: encoder2.encode(text) };
}

// src/attributelimits.js
var MOST = { master: 256 << 10, slave: 4 << 10 };
var MOST_ENTERING = 4 << 10;
var encoder3 = new TextEncoder();
var sizeOf = ({ key, payload }) => encoder3.encode(key).length + payload.bytes.length;
function checkFits(role, attribute) {
  const size = sizeOf(attribute);
  if (size > MOST[role]) {
    throw new RefusedError(
      Code.ATTRIBUTES_FULL,
      `the key and the value have ${size} bytes, and the attributes of a ${role} have at most ${MOST[role]}`
    );
  }
}
function attributesOf(given2, limit) {
  if (given2 === void 0) {
    return void 0;
  }
  if (Object.prototype.toString.call(given2) !== "[object Object]") {
    throw new TypeError("attributes must be an object, which has values by their keys");
  }
  const entries = Object.entries(given2).filter(([, value]) => value !== void 0);
  if (entries.length > MAX_ATTRIBUTES) {
    throw new RefusedError(
      Code.BAD_FRAME,
      `attributes: there are ${entries.length} keys, and at most ${MAX_ATTRIBUTES} are possible`
    );
  }
  const all = entries.map(([key, value]) => {
    mustBeShortName("attributes: a key", key);
    return { key, payload: payloadOf(value, limit) };
  });
  const size = all.reduce((sum, attribute) => sum + sizeOf(attribute), 0);
  if (size > MOST_ENTERING) {
    throw new RefusedError(
      Code.ATTRIBUTES_FULL,
      `attributes: they have ${size} bytes, and one enters with at most ${MOST_ENTERING}: set the others afterwards`
    );
  }
  return all.length === 0 ? void 0 : all;
}

// src/first.js
var FIRST_WAIT = 5e3;
var LEAVE_WAIT = 1e3;
var First = class {
  #ref;
  // The ref of the leave, or zero.
  #undo = 0;
  #lost;
  #cancel;
  /**
   * @param {number} ref the call's
   * @param {Connection} on
   * @param {{leave: () => number, lost: () => void}} handlers leave sends a leave where
   *   something may have been entered, and returns its ref, or zero; lost is called last
   */
  constructor(ref, on, { leave, lost }) {
    this.#ref = ref;
    this.on = on;
    this.#lost = lost;
    this.#cancel = later(FIRST_WAIT, () => {
      this.#undo = leave();
      if (this.#undo === 0) {
        lost();
      } else {
        this.#cancel = later(LEAVE_WAIT, lost);
      }
    });
  }
  /** takes reports whether an answer is this one's, and nothing else is to be done with it. */
  takes({ ref }) {
    if (this.#undo !== 0) {
      if (ref === this.#undo) {
        this.stop();
        this.#lost();
      }
      return ref === this.#undo || ref === this.#ref;
    }
    if (ref === this.#ref) {
      this.stop();
    }
    return false;
  }
  stop() {
    this.#cancel();
  }
};

// src/waiting.js
var Waiting = class {
  // It was told to wait, at least once.
  told = false;
  #tell;
  // The connection on which it waits, or null, how the hub calls the channel, and what it waits for.
  #on = null;
  #channel = "";
  #for = "";
  /** @param {((waiting: object) => void) | undefined} tell is told what it waits for, each time that it changes */
  constructor(tell) {
    if (tell !== void 0 && typeof tell !== "function") {
      throw new TypeError("onwaiting must be a function, which is told what is waited for");
    }
    this.#tell = tell;
  }
  /** take takes a waiting frame. */
  take(connection, frame) {
    this.told = true;
    this.#on = connection;
    this.#channel = frame.channel;
    this.#for = frame.for;
    this.#changed(frame.master ? { ...frame.master, timeout_ms: frame.timeout_ms } : null);
  }
  /** master takes the presence of the master at whose door it waits. */
  master(connection, frame) {
    if (this.#on === connection && this.#channel === frame.channel && this.#for === "door") {
      this.#changed(frame);
    }
  }
  // A page that has a fault in its function does not lose its connection by that.
  #changed(master) {
    const deadline = master?.timeout_ms === void 0 ? null : after(master?.timeout_ms);
    const waiting = Object.freeze({
      for: this.#for,
      master: master && presence("master", master.username, master.state, { deadline })
    });
    if (this.#tell) {
      queueMicrotask(() => this.#tell(waiting));
    }
  }
  /** isOn reports whether it waits on that connection. */
  isOn(connection) {
    return this.#on !== null && this.#on === connection;
  }
  /** over: it does not wait there any more. */
  over() {
    this.#on = null;
  }
  /** takeBack has the hub let nobody in who waits. The join is answered then too. */
  takeBack(ref) {
    this.#on?.send({ type: "leave", ref: ref(), channel: this.#channel });
    this.#on = null;
  }
};
function answerOf(frame) {
  if (frame.type === "closed") {
    return { ...frame, type: "error" };
  }
  return frame.type === "left" ? { ...frame, type: "error", code: "left" } : frame;
}

// src/calls.js
var MAX_TRIES = 3;
var isPatient = ({ enters }) => Boolean(enters?.waiting.told);
var Calls = class {
  // Those that wait for an answer.
  #waiting = [];
  // Those whose callers have given up, by the ref of the answer that is still to come:
  // what they have entered is left then.
  #undoing = /* @__PURE__ */ new Map();
  // Resumes whose callers have given up, by the ref of the answer: the connections that they are on.
  #forsaken = /* @__PURE__ */ new Map();
  // The call that goes along with the handshake that is under way.
  #first = null;
  // What waits for the answer to the call that has gone along with the present connection,
  // or null.
  #awaited = null;
  // An answer to such a call did not come: none goes along any more.
  #plain = false;
  #session;
  /**
   * @param {{addresses: number, nextRef: () => number, letGo: (connection: Connection) => void,
   *   progress: () => void, tryAnew: (connection: Connection, wanted: boolean) => void,
   *   isIn: (channel: string) => boolean, holds: (connection: Connection) => boolean,
   *   undo: (channel: string, promise: Promise<void>) => void,
   *   settled: (call: object, frame: object) => Error | undefined,
   *   again: (call: object, connection: Connection) => void}} session
   *   letGo ends the connection, tryAnew too where something is wanted of the next one or
   *   nothing of this one; progress is told when something
   *   that was under way is over; settled is told of an
   *   answer that is no refusal, and returns what is wrong with it; again is told of a call that the
   *   hub of that connection has refused, and another one may not
   */
  constructor(session) {
    this.#session = session;
  }
  get size() {
    return this.#waiting.length;
  }
  /** entering are the channels that calls are on their way into, or out of again. */
  get entering() {
    const all = [...this.#waiting.filter(({ enters }) => enters).map(({ frame }) => frame), ...this.#undoing.values()];
    return [...new Set(all.map(({ channel }) => channel))];
  }
  /** repeated are the calls that enter something and are about to be made once more. */
  get repeated() {
    return this.#waiting.filter(({ enters, tries }) => enters && tries > 0);
  }
  /**
   * begin makes a call of a frame, and resolves with the answer.
   *
   * @param {object} frame
   * @param {{signal?: AbortSignal, enters?: object, connection: Connection | null, abandoned: () => void}} how
   *   enters is the membership that an answer makes; connection is the one on which it can be written
   *   now; abandoned is called when its caller has given up
   */
  begin(frame, { signal, enters, connection, abandoned }) {
    return new Promise((resolve, reject) => {
      const call = {
        frame: { ...frame, ref: this.#session.nextRef() },
        enters,
        written: false,
        on: null,
        tries: 0,
        failed: 0,
        refused: 0,
        lostBy: /* @__PURE__ */ new Set()
      };
      const abort = () => {
        this.#remove(call);
        this.#giveUp(call);
        abandoned();
        reject(signal.reason);
      };
      call.settle = (answer, error) => {
        signal?.removeEventListener("abort", abort);
        if (error) {
          reject(error);
        } else {
          resolve(answer);
        }
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.push(call);
      if (connection) {
        this.#write(call, connection);
      }
    });
  }
  /**
   * first is the frame that a new connection begins with, or null. A secret does not go along,
   * nor a token unless that is asked for.
   */
  first({ withToken = false }) {
    const [call] = this.#waiting;
    const fits = call && !this.#plain && call.frame.type !== "resume" && (withToken || !call.frame.token);
    this.#first = fits ? call : null;
    if (fits && call.tries++ > 0) {
      call.frame.ref = this.#session.nextRef();
    }
    return this.#first?.frame ?? null;
  }
  /** connected writes what has waited for a connection, but for what has been sent along with its making. */
  connected(connection, sent) {
    const first = this.#first;
    this.#first = null;
    if (first) {
      first.on = connection;
    }
    if (first && sent) {
      this.#awaitAnswer(first, connection);
    } else if (first) {
      this.#undone(first.frame.ref);
    }
    for (const call of this.#waiting) {
      if (call !== first) {
        this.retry(call, connection);
        continue;
      }
      call.written = true;
      if (!sent) {
        connection.send(call.frame);
      }
    }
  }
  /** retry writes a call on a new connection, unless it is on another one, or over. */
  retry(call, connection) {
    if (!call.on && this.#waiting.includes(call)) {
      call.frame.ref = this.#session.nextRef();
      this.#write(call, connection);
    }
  }
  /** on reports whether an answer is to come on the connection. */
  on(connection) {
    return [...this.#waiting, ...[...this.#undoing.values()].map(({ call }) => call)].some(({ on }) => on === connection) || [...this.#forsaken.values()].includes(connection);
  }
  /**
   * lost is told that a connection has ended.
   *
   * @param {Connection | null} connection
   * @param {string} reason
   * @param {{dialed: boolean, all: boolean, answered: boolean, blamed: boolean}} how dialed: it was an
   *   attempt; all: those too that were not written, where that was the last address; answered: the hub has answered all that it has carried out, so that the
   *   others can be asked again; blamed: it may be because of one of them, so that none is; stopped: the hub stops
   */
  lost(connection, reason, { dialed, all, answered, blamed: blamed2, stopped }) {
    if (dialed) {
      this.#first = null;
    }
    if (this.#awaited?.on === connection) {
      this.#awaited.stop();
      this.#awaited = null;
    }
    [...this.#forsaken].filter(([, on]) => on === connection).forEach(([ref]) => this.#forsaken.delete(ref));
    [...this.#undoing].filter(([, { call: { on } }]) => on === null || on === connection).forEach(([ref]) => this.#undone(ref));
    for (const call of [...this.#waiting]) {
      const waiting = call.enters?.waiting;
      const was = call.on === connection;
      const written = was && call.written;
      const excused = answered || waiting?.isOn(connection);
      if (was) {
        call.on = null;
        waiting?.over();
      }
      if (was && connection?.givenUp) {
        call.refused++;
      }
      if (written) {
        call.written = !excused && (isPatient(call) ? blamed2 && !stopped : blamed2 || call.tries - call.refused >= MAX_TRIES);
      }
      if (all && !isPatient(call) && ++call.failed >= this.#session.addresses || written && call.written) {
        this.#fail(call, reason);
      }
    }
  }
  /** giveUp ends all calls with the error. What they may have entered is left when that is known. */
  giveUp(error) {
    for (const call of this.#waiting.splice(0)) {
      this.#giveUp(call);
      call.settle(void 0, error);
    }
  }
  failAll(reason) {
    [...this.#waiting].forEach((call) => this.#fail(call, reason));
  }
  #fail(call, reason) {
    this.fail(call, new ConnectionError(`no answer to ${call.frame.type}: ${reason}`));
  }
  /** fail ends a call with the error. */
  fail(call, error) {
    this.#remove(call);
    call.settle(void 0, error);
  }
  /** waits takes a waiting frame of the connection. What its caller has given up is taken back. */
  waits(connection, frame) {
    this.#awaited?.takes(frame);
    const call = this.#waiting.find((each) => each.frame.ref === frame.ref && each.on === connection);
    const waits = call ?? this.#undoing.get(frame.ref)?.call;
    if (waits) {
      waits.tries = 1;
      waits.refused = 0;
      waits.enters.waiting.take(connection, frame);
    }
    if (waits && !call) {
      waits.enters.waiting.takeBack(() => this.#session.nextRef());
    }
    return Boolean(waits);
  }
  /** masterIs tells those who wait at a door of its master. */
  masterIs(connection, frame) {
    this.#waiting.forEach(({ enters }) => enters?.waiting.master(connection, frame));
  }
  /** answer gives a frame to the call that it answers, and reports whether there is one. */
  answer(frame) {
    if (this.#awaited?.takes(frame)) {
      return true;
    }
    const call = this.#waiting.find((each) => each.frame.ref === frame.ref);
    if (call && this.#elsewhere(call, frame)) {
      return true;
    }
    if (call) {
      this.#remove(call);
      const answer = call.enters ? answerOf(frame) : frame;
      call.settle(answer, refusalIn(answer) ?? this.#session.settled(call, answer));
      return true;
    }
    if (this.#undoing.has(frame.ref)) {
      this.#leave(frame);
      return true;
    }
    const forsaken = this.#forsaken.get(frame.ref);
    if (forsaken) {
      this.#forsaken.delete(frame.ref);
      this.#session.letGo(forsaken);
    }
    return Boolean(forsaken);
  }
  // A hub that shuts down has done nothing; and where one has lost what is to be resumed, that of
  // another address may have it.
  #elsewhere(call, { code }) {
    const { on, lostBy } = call;
    const lost = code === Code.HUB_LOST && lostBy.add(on.url).size < this.#session.addresses && !this.#session.holds(on);
    if (code !== Code.SHUTTING_DOWN && !lost) {
      return false;
    }
    call.refused++;
    call.written = false;
    call.on = null;
    this.#session.again(call, on);
    return true;
  }
  #write(call, connection) {
    call.written = true;
    call.on = connection;
    call.failed = 0;
    call.tries++;
    connection.send(call.frame);
  }
  // The answer has to come within some time, or is asked for again, plainly.
  #awaitAnswer(call, on) {
    const { frame: { ref, channel }, enters } = call;
    this.#awaited = new First(ref, on, {
      leave: () => {
        this.#plain = true;
        if (!enters || this.#session.isIn(channel)) {
          return 0;
        }
        const leaving = this.#session.nextRef();
        on.send({ type: "leave", ref: leaving, channel });
        return leaving;
      },
      lost: () => {
        this.#awaited = null;
        this.#undone(ref);
        const wanted = this.#waiting.includes(call);
        if (wanted) {
          call.written = false;
        }
        this.#session.tryAnew(on, wanted);
      }
    });
  }
  #remove(call) {
    this.#waiting = this.#waiting.filter((other) => other !== call);
  }
  // What may be carried out although nobody waits for it any more is undone. Others enter
  // the same channel after that.
  #giveUp(call) {
    const { frame: { type, ref, channel }, enters, written } = call;
    if (!enters || !(written || call === this.#first)) {
      return;
    }
    if (type !== "resume") {
      this.#session.undo(channel, new Promise((undone) => {
        this.#undoing.set(ref, { channel, undone, call });
      }));
      enters.waiting.takeBack(() => this.#session.nextRef());
      return;
    }
    this.#session.undo(channel, call.on.over);
    this.#forsaken.set(ref, call.on);
  }
  // Its answer is here: what it has entered is left, and undone when the hub says so.
  #leave({ type, ref, channel }) {
    if (type !== "created" && type !== "joined") {
      this.#undone(ref);
      return;
    }
    const leaving = this.#session.nextRef();
    const given2 = this.#undoing.get(ref);
    this.#undoing.set(leaving, given2);
    this.#undoing.delete(ref);
    given2.call.on.send({ type: "leave", ref: leaving, channel });
  }
  #undone(ref) {
    this.#undoing.get(ref)?.undone();
    this.#undoing.delete(ref);
    this.#session.progress();
  }
};

// src/closes.js
var numbers = { ...ends, ...closes };
var Close = Object.freeze(Object.fromEntries(
  Object.entries(numbers).map(([code, number]) => [code.toUpperCase(), number])
));
var words2 = new Map(Object.entries(numbers).map(([code, number]) => [number, code]));
var final = (number) => number >= 4e3 && number < 4100;
var blames = /* @__PURE__ */ new Set([Close.TOO_LARGE, Close.PROTOCOL_ERROR, Close.RATE_LIMITED, Close.SHUTDOWN]);
var blamed = (number) => blames.has(number);
var wordOf = (number) => words2.get(number) ?? String(number);

// src/failure.js
var MAX_CODE = 64;
var MAX_MESSAGE = 1024;
var word = /^[A-Za-z0-9_.-]{1,64}$/;
function failureProblem(code, bytes) {
  if (typeof code !== "string" || !word.test(code)) {
    return "failed: code: not a word of 1 to 64 letters and digits of ASCII, _, - and .";
  }
  return bytes > MAX_MESSAGE ? "failed: message: not a string of at most 1,024 bytes" : "";
}
function failureOf(code, message) {
  if (typeof message !== "string" || halfPair.test(message)) {
    throw new RefusedError(Code.BAD_FRAME, "failed: message: not a string, or with half of a surrogate pair");
  }
  const wrong = failureProblem(code, new TextEncoder().encode(message).length);
  if (wrong !== "") {
    throw new RefusedError(Code.BAD_FRAME, wrong);
  }
  return { code, message };
}

// src/codec.js
var encoder4 = new TextEncoder();
var decoder2 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
var DecodeError = class extends Error {
  /**
   * @param {string} code bad_frame or unsupported
   * @param {string} detail for people
   * @param {number} ref the frame's ref, where that much could be read, else 0
   * @param {boolean} noForm the input is in neither form of the protocol
   */
  constructor(code, detail, ref = 0, noForm = false) {
    super(`${code}: ${detail}`);
    this.name = "DecodeError";
    this.code = code;
    this.ref = ref;
    this.noForm = noForm;
  }
};
var Problem = class extends Error {
};
var Writer = class {
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
    let rest = whole("a number of a frame", value);
    for (; rest >= 128; rest = Math.floor(rest / 128)) {
      this.byte(rest % 128 | 128);
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
};
var states = ["", "online", "away"];
function writeContent(field, value) {
  const content = new Writer();
  const writeMember = (member) => {
    const name = encoder4.encode(member.username);
    content.number(name.length);
    content.raw(name);
    content.byte(states.indexOf(member.state));
  };
  switch (field.kind) {
    case "string":
      return encoder4.encode(value);
    case "flag":
      break;
    case "choice":
      content.number(value ? 1 : 0);
      break;
    case "word":
      content.number(field.words.indexOf(value) + 1);
      break;
    case "member":
      writeMember(value);
      break;
    case "members":
      value.forEach(writeMember);
      break;
    case "failure": {
      const code = encoder4.encode(value.code);
      content.number(code.length);
      content.raw(code);
      content.raw(encoder4.encode(value.message ?? ""));
      break;
    }
    case "attributes":
      writeAttributes(content, value);
      break;
    case "knocks":
      for (const { knock, username, attributes = [] } of value) {
        const [name, inner] = [encoder4.encode(username), new Writer()];
        writeAttributes(inner, attributes);
        content.number(knock);
        content.counted(name);
        content.counted(inner.done());
      }
      break;
    case "numbers":
      value.forEach((number) => content.number(number));
      break;
    default:
      content.number(value);
  }
  return content.done();
}
function writeAttributes(content, attributes) {
  for (const { key, payload } of attributes) {
    content.counted(encoder4.encode(key));
    content.field(payloadTags[payload.kind], payload.bytes);
  }
}
function numbersOf(members = []) {
  return members.some(({ number }) => number) ? members.map(({ number = 0 }) => number) : void 0;
}
function encode(frame) {
  const shape = shapesByType.get(frame.type);
  const out = new Writer();
  out.byte(shape.byte);
  for (const field of shape.fields) {
    const value = field.kind === "numbers" ? numbersOf(frame.members) : frame[field.name];
    if (value !== void 0 && (value || field.kept)) {
      out.field(field.tag, writeContent(field, value));
    } else if (shape.required.has(field.name)) {
      out.field(field.tag, writeContent(field, field.kind === "string" ? "" : 0));
    }
  }
  if (shape.payload && frame.payload !== void 0) {
    out.field(payloadTags[frame.payload.kind], frame.payload.bytes);
  }
  return out.done();
}
var Reader = class {
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
    let low = 0;
    let high = 0;
    for (let group = 0; ; group++) {
      if (!this.more || group === 10) {
        throw new Problem(problem);
      }
      const byte = this.byte();
      const bits = byte & 127;
      if (group < 7) {
        low += bits * 2 ** (7 * group);
      } else {
        high += bits * 2 ** (7 * (group - 7));
      }
      if (byte < 128) {
        if (byte === 0 && group > 0) {
          throw new Problem(problem);
        }
        const exact = high < 16 || high === 16 && low === 0;
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
};
function readText(bytes) {
  try {
    return decoder2.decode(bytes);
  } catch {
    throw new Problem("not UTF-8");
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
  const problem = "an entry of a member is malformed";
  const name = reader.take(problem);
  const state = states[reader.more ? reader.byte() : 0];
  if (!state) {
    throw new Problem(problem);
  }
  return { username: readText(name), state };
}
function readFailure(reader) {
  const problem = "failed: a code is missing";
  const code = readText(reader.take(problem));
  const left = reader.bytes.subarray(reader.at);
  const wrong = code.length > MAX_CODE ? problem : failureProblem(code, left.length);
  if (wrong !== "") {
    throw new Problem(wrong);
  }
  const message = readText(left);
  return message === "" ? { code } : { code, message };
}
function readContent(field, content) {
  const reader = new Reader(content);
  switch (field.kind) {
    case "string":
      return readText(content);
    case "flag":
      if (content.length > 0) {
        throw new Problem("a flag has no content");
      }
      return true;
    case "choice":
      return readNumber(content, 0, 1, "a flag is neither true nor false") === 1;
    case "word":
      return field.words[readNumber(content, 1, field.words.length, `a ${field.name} that does not exist`) - 1];
    case "member": {
      const member = readMember(reader);
      if (reader.more) {
        throw new Problem("more than one member");
      }
      return member;
    }
    case "failure":
      return readFailure(reader);
    case "members": {
      const members = [];
      while (reader.more) {
        members.push(readMember(reader));
      }
      return members;
    }
    case "expiry":
      return readNumber(content, 1, MAX_EXPIRES, "a time that is not from a millisecond to a day");
    case "attributes":
      return readAttributes(reader);
    case "knocks":
      return readKnocks(reader);
    default:
      return readNumber(
        content,
        field.kind === "positive" ? 1 : 0,
        MAX_NUMBER,
        "a number is not a whole one in its range"
      );
  }
}
function readNumbers(members = [], content) {
  const problem = "there is not one number for each member";
  const reader = new Reader(content);
  for (const member of members) {
    const number = reader.number(problem);
    if (number > MAX_NUMBER) {
      throw new Problem("a number is not a whole one in its range");
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
  const problem = "an attribute is malformed";
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
  const problem = "a knock is malformed";
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
var kindsByTag = new Map(Object.entries(payloadTags).map(([kind, tag]) => [tag, kind]));
var space2 = (byte) => byte === 32 || byte === 9 || byte === 10 || byte === 13;
function readPayload(kind, content) {
  if (kind === "text") {
    readText(content);
  }
  if (kind !== "data") {
    return { kind, bytes: content };
  }
  const problem = problemInJSON(readText(content));
  if (problem !== "") {
    throw new Problem(problem);
  }
  let [from, to] = [0, content.length];
  while (space2(content[from])) {
    from++;
  }
  while (space2(content[to - 1])) {
    to--;
  }
  return { kind, bytes: content.subarray(from, to) };
}
function readFields(frame, shape, reader) {
  let last = -1;
  let critical = false;
  let payloads = 0;
  const seen = /* @__PURE__ */ new Set();
  while (reader.more) {
    const tag = reader.byte();
    if (tag <= last) {
      throw new Problem("tags do not ascend");
    }
    last = tag;
    const content = reader.take("a length is not minimal or leads over the end");
    const field = fieldsByTag.get(tag);
    if (field?.kind === "numbers" && shape?.has.has(field.name)) {
      readNumbers(frame.members, content);
    } else if (field && (field.name === "ref" || shape?.has.has(field.name))) {
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
  if (shape === void 0) {
    throw new DecodeError("unsupported", "a type that is not known", frame.ref);
  }
  if (critical) {
    throw new DecodeError("unsupported", "a field that must be known and is not", frame.ref);
  }
  for (const name of shape.required) {
    if (!seen.has(name)) {
      throw new Problem("a required field is missing");
    }
  }
  const carried = payloads + (frame.failed ? 1 : 0);
  if (shape.payload && (carried > 1 || carried === 0 && !shape.emptied)) {
    throw new Problem("not exactly one payload");
  }
  if (frame.failed && (!frame.reply || frame.asks || frame.request)) {
    throw new Problem("failed: only an answer says no, and it is no request");
  }
  if (frame.type === "presence" && frame.role === "master" && frame.state === "left") {
    throw new Problem("a state that does not exist here");
  }
}
function isBinary(bytes) {
  if (bytes.length === 0 || bytes[0] === 0 || bytes[0] > LAST_TYPE) {
    return false;
  }
  return bytes[0] <= LAST_CONTROL || bytes[1] === 1 || bytes[1] === 2;
}
function decode(bytes) {
  if (!isBinary(bytes)) {
    throw new DecodeError("bad_frame", "not the binary form", 0, true);
  }
  const shape = shapesByByte.get(bytes[0]);
  const frame = { type: shape?.type };
  try {
    const reader = new Reader(bytes);
    reader.byte();
    readFields(frame, shape, reader);
  } catch (error) {
    if (error instanceof Problem) {
      throw new DecodeError("bad_frame", error.message, frame.ref);
    }
    throw error;
  }
  return frame;
}

// src/connection.js
var LEAVE_WAIT2 = 1e3;
var FLOOR = 1;
var ASLEEP = 1e3;
var Connection = class {
  url;
  way;
  // When it was opened, or zero.
  openedAt = 0;
  // It is being ended by this side, and nothing is to be sent on it any more.
  givenUp = false;
  // What the hub has told of its shutdown, in milliseconds, or null.
  shutdown = null;
  // A membership was taken up on it.
  worked = false;
  // An attempt was begun, or is to be, to move away from it.
  leaves = false;
  // Something has come on it.
  heard = false;
  // It was given up since it has not come about, or brought anything, within the time for that.
  late = false;
  // Resolves when it has ended.
  over;
  #over;
  #carrier;
  #options;
  #handlers;
  // Whether a frame goes along with the handshake.
  #begins;
  // What closes it once it is open.
  #leaving = null;
  #wasOpen = false;
  #ended = false;
  #dialTimer;
  #proof;
  #proofTimer;
  #watchTimer;
  #heardAt = 0;
  // The time by which a probe must be answered, or zero.
  #answerBy = 0;
  // The bytes that were given to the carrier.
  #given = 0;
  // How it stood when the probe began, or was last put off: what waited in the carrier, and
  // what had gone out of it.
  #mark = { at: 0, waiting: 0, gone: 0 };
  // A probe was late once since anything was heard. Where every timer is late, as in a
  // page that is throttled, that tells nothing.
  #excused = false;
  // What has arrived and was not handled yet.
  #arrived = [];
  #held = false;
  // What the carrier's end has told, until what arrived before is handled.
  #closing = null;
  /**
   * @param {{url: string, way: string, patience: number, proof: number}} target patience is how long it may take to
   *   come about, and proof how long until something comes then that was asked for, or 0
   * @param {object} options the client's
   * @param {object | null} first the frame to send along with the handshake
   * @param {{opened: (sent: boolean) => void, frame: (frame: object) => void,
   *   ended: (how: {number: number, reason: string, silent: boolean}) => void}} handlers opened
   *   is told whether the hub has taken the first frame; ended is called last and once,
   *   number is 0 where the connection was lost without one, and silent tells that it was
   *   given up for want of a sign of life
   */
  constructor({ url, way, patience, proof }, options, first, handlers) {
    this.url = url;
    this.way = way;
    this.over = new Promise((resolve) => {
      this.#over = resolve;
    });
    this.#options = options;
    this.#handlers = handlers;
    this.#begins = first !== null;
    this.#proof = proof;
    this.#carrier = carrierBy(way, url, options, first && encode(first), {
      opened: (sent) => this.#opened(sent),
      message: (bytes) => this.#received(bytes),
      heard: () => this.#heard(),
      closed: ({ number, reason }) => this.#closed({ number, reason, silent: false })
    });
    this.#dialTimer = setTimeout(() => this.#isLate("could not connect in time"), patience);
  }
  /** opened: the hub has let the client in. */
  get opened() {
    return this.openedAt > 0;
  }
  /** open: frames can be sent now. On a connection that is being given up they would be lost. */
  get open() {
    return this.opened && !this.#ended && !this.givenUp;
  }
  send(frame) {
    if (this.#carrier.open) {
      const bytes = encode(frame);
      this.#given += bytes.length;
      this.#carrier.send(bytes);
    }
  }
  /**
   * hold puts off what has arrived until the application has had its turn, so that
   * it can add its listeners to a handle before anything happens to it.
   */
  hold() {
    this.#held = true;
    setTimeout(() => {
      this.#held = false;
      this.#drain();
    }, 0);
  }
  /** probe gives the connection up unless something arrives within so many milliseconds. */
  probe(patience) {
    const by = performance.now() + patience;
    if (this.#ended || !this.#carrier.open || this.#answerBy > 0 && this.#answerBy <= by) {
      return;
    }
    if (this.#answerBy === 0) {
      this.#flows();
      this.send({ type: "ping" });
    }
    this.#answerBy = by;
    this.#watch(patience);
  }
  /** close ends the connection in order, behind these frames; ended follows when the hub has answered. */
  close(number, reason, frames = []) {
    if (this.#carrier.connecting && this.#begins) {
      this.#leaving = () => this.close(number, reason, frames);
      this.#watchTimer = setTimeout(() => this.abandon(number, reason), LEAVE_WAIT2);
    } else if (this.#carrier.connecting) {
      this.abandon(number, reason);
    } else {
      frames.forEach((frame) => this.send(frame));
      this.#carrier.close(number, reason);
    }
  }
  /** giveUp ends the connection in order so that its memberships can be resumed. */
  giveUp(reason) {
    this.givenUp = true;
    this.close(Close.IDLE, reason);
  }
  /** abandon ends the connection at once, whatever the hub does. */
  abandon(number, reason, silent = false) {
    if (this.#ended) {
      return;
    }
    this.#carrier.abandon(number, reason);
    this.#arrived = [];
    this.#end({ number: 0, reason, silent });
  }
  #opened(sent) {
    clearTimeout(this.#dialTimer);
    if (this.#leaving) {
      this.#leaving();
      return;
    }
    this.openedAt = performance.now();
    this.#sign();
    this.#watch(this.#options.silence);
    if (this.#proof > 0) {
      this.#proofTimer = setTimeout(() => this.#isProved(sent), this.#proof);
    }
    this.#handlers.opened(sent);
  }
  // Some proxies answer the handshake and let nothing else through.
  #isProved(sent) {
    if (!this.heard && (sent || this.#given > 0)) {
      this.#isLate("nothing comes through");
    }
  }
  #isLate(reason) {
    this.late = true;
    this.abandon(Close.IDLE, reason);
  }
  #heard() {
    this.heard = true;
    this.#sign();
  }
  // There is a sign of life.
  #sign() {
    this.#heardAt = performance.now();
    this.#excused = false;
    if (this.#answerBy > 0) {
      this.#answerBy = 0;
      this.#watch(this.#options.silence);
    }
  }
  #watch(milliseconds2) {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => this.#look(), milliseconds2);
  }
  // look is called when there should have been a sign of life.
  #look() {
    const now = performance.now();
    if (this.#answerBy === 0) {
      const quiet = now - this.#heardAt;
      if (quiet < this.#options.silence) {
        this.#watch(this.#options.silence - quiet);
      } else {
        this.probe(this.#options.patience);
      }
    } else if (now > this.#answerBy + ASLEEP && !this.#excused) {
      this.#excused = true;
      this.#answerBy = 0;
      this.probe(this.#options.wakePatience);
    } else if (now < this.#answerBy) {
      this.#watch(this.#answerBy - now);
    } else if (this.#flows()) {
      this.#answerBy = now + this.#options.patience;
      this.#watch(this.#options.patience);
    } else {
      this.abandon(Close.IDLE, "no sign of life", true);
    }
  }
  // flows reports whether what waited in the carrier has gone on since it was last asked for.
  // The answer to the probe is behind it. What the system takes at once tells nothing: it
  // does so for a connection that is dead as well.
  #flows() {
    const { at, waiting, gone } = this.#mark;
    const left = this.#carrier.waiting;
    this.#mark = { at: performance.now(), waiting: left, gone: this.#given - left };
    const moved = this.#mark.gone - gone;
    return waiting > 0 && moved > 0 && (left === 0 || moved >= FLOOR * (this.#mark.at - at));
  }
  #received(bytes) {
    this.#heard();
    this.#arrived.push(bytes);
    this.#drain();
  }
  #drain() {
    while (!this.#held && !this.#ended && this.#arrived.length > 0) {
      this.#handle(this.#arrived.shift());
    }
    if (this.#closing && !this.#held && !this.#ended) {
      this.#end(this.#closing);
    }
  }
  #handle(bytes) {
    let frame;
    try {
      frame = decode(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) {
        throw error;
      }
      if (error.code !== "unsupported") {
        this.abandon(Close.PROTOCOL_ERROR, "what came is not Lectern's protocol");
      }
      return;
    }
    this.#handlers.frame(frame);
  }
  #closed(how) {
    this.#closing = how;
    this.#drain();
  }
  #end(how) {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#proofTimer);
    clearTimeout(this.#watchTimer);
    this.#over();
    this.#handlers.ended(how);
  }
};

// src/entries.js
var undoing = /* @__PURE__ */ new Map();
var turn = () => new Promise((resolve) => {
  setTimeout(resolve);
});
var Entries = class {
  #address;
  // The newest entry into each channel, as a promise that is resolved when it has ended.
  #newest = /* @__PURE__ */ new Map();
  constructor(address) {
    this.#address = address;
  }
  /** under resolves when the newest entry into the channel has ended, if there is one under way. */
  under(channel) {
    return this.#newest.get(channel);
  }
  /** undo tells that something in the channel is undone when the promise is resolved. */
  undo(channel, promise) {
    const key = this.#key(channel);
    const all = undoing.get(key) ?? /* @__PURE__ */ new Set();
    undoing.set(key, all.add(promise));
    promise.then(() => {
      all.delete(promise);
      if (all.size === 0 && undoing.get(key) === all) {
        undoing.delete(key);
      }
    });
  }
  /** enter calls attempt when the others have ended. It begins in the same turn where there are none. */
  async enter(channel, signal, attempt) {
    const before = this.#newest.get(channel);
    let end;
    const ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#newest.set(channel, ended);
    try {
      if (before) {
        await orAborted(before.then(turn), signal);
      }
      for (let all = this.#undone(channel); all; all = this.#undone(channel)) {
        await orAborted(all, signal);
      }
      return await attempt();
    } finally {
      const over3 = () => {
        if (this.#newest.get(channel) === ended) {
          this.#newest.delete(channel);
        }
        end();
      };
      if (before) {
        before.then(over3);
      } else {
        over3();
      }
    }
  }
  #undone(channel) {
    const all = undoing.get(this.#key(channel));
    return all && Promise.all(all);
  }
  #key(channel) {
    return `${this.#address} ${channel}`;
  }
};

// src/instance.js
function newInstance() {
  return base64url(crypto.getRandomValues(new Uint8Array(16)));
}

// src/backoff.js
var Backoff = class {
  #least;
  #most;
  #failures = 0;
  constructor({ minBackoff, maxBackoff }) {
    this.#least = minBackoff;
    this.#most = Math.max(minBackoff, maxBackoff);
  }
  /** steady is told that the last attempt was good for a while. */
  steady() {
    this.#failures = 0;
  }
  next() {
    const limit = Math.min(this.#most, this.#least * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return Math.random() * limit;
  }
  /** longest is a wait after which the hub has had its rest. */
  longest() {
    this.#failures++;
    return this.#most * (1 + Math.random()) / 2;
  }
};

// src/page.js
function watchPage({ gone, woken, putAway, back }) {
  const { document } = globalThis;
  const cleanups = [];
  const listen = (target, type, listener, capture = false) => {
    if (typeof target?.addEventListener === "function") {
      target.addEventListener(type, listener, capture);
      cleanups.push(() => target.removeEventListener(type, listener, capture));
    }
  };
  const last = (target, type, listener) => {
    target.removeEventListener(type, listener);
    target.addEventListener(type, listener);
  };
  const listenLast = (target, type, listener) => {
    listen(target, type, listener);
    listen(target, type, () => last(target, type, listener), true);
  };
  let hiding;
  const settle = () => {
    clearTimeout(hiding);
    hiding = void 0;
  };
  const leave = () => {
    settle();
    putAway();
  };
  const hide = () => {
    if (document?.visibilityState === "visible" || document && "onfreeze" in document) {
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
  listen(globalThis, "online", woken);
  listen(globalThis, "offline", gone);
  listen(globalThis, "pagehide", hide);
  listenLast(globalThis, "visibilitychange", () => {
    if (hiding !== void 0 && document?.visibilityState !== "visible") {
      leave();
    }
  });
  listenLast(document, "freeze", leave);
  listen(globalThis, "pageshow", ({ persisted }) => {
    if (persisted !== false) {
      show();
    }
  });
  listen(document, "resume", show);
  listen(document, "visibilitychange", () => {
    if (document.visibilityState === "visible") {
      show();
    } else if (hiding === void 0) {
      last(globalThis, "pagehide", hide);
    }
  });
  return () => cleanups.forEach((clean) => clean());
}

// src/ways.js
var WEBSOCKET_PATIENCE = 1500;
var PROOF = 4e3;
var STEADY = 12e4;
var MAX_CUTS = 2;
var LEAST_WAIT = 15e3;
var MOST_WAIT = 6e5;
var AFTER_CUTS = 3;
var REMEMBERED = 18e5;
var Ways = class {
  #all;
  #dialTimeout;
  #remembered;
  // How many WebSockets in a row were cut soon.
  #cuts = 0;
  // How many times it was tried in vain to go back to a WebSocket, or went back and was cut.
  #failures = 0;
  /** @param {{ways: string[], dialTimeout: number}} options the client's */
  constructor({ ways, dialTimeout }, url) {
    this.#all = ways;
    this.#dialTimeout = dialTimeout;
    this.#remembered = new Remembered(url);
  }
  get #both() {
    return this.#all.length > 1;
  }
  get #blocked() {
    return this.#both && this.#remembered.has(HTTP);
  }
  /**
   * tries are those of an attempt to connect, one after the other until one succeeds. Where one has failed and was not late, the
   * others of its way make no sense.
   */
  tries() {
    const soon = { way: WEBSOCKET, patience: Math.min(WEBSOCKET_PATIENCE, this.#dialTimeout), proof: PROOF };
    if (!this.#both) {
      return this.#all.map((way) => this.#whole(way));
    }
    return this.#blocked ? [this.#whole(HTTP), soon] : [soon, this.#whole(HTTP), this.#whole(WEBSOCKET)];
  }
  // whole is a try that has all the time that an attempt to connect may take.
  #whole(way) {
    return { way, patience: this.#dialTimeout, proof: 0 };
  }
  /** beside is the try that takes the place of a connection of that way, while it goes on. */
  beside(way) {
    return this.#whole(way);
  }
  /** back is the try of a WebSocket beside a connection over HTTP. */
  back() {
    return { ...this.#whole(WEBSOCKET), proof: PROOF };
  }
  /** leads reports whether a connection of that way is to be left for a WebSocket, when there is one. */
  leads(way) {
    return this.#both && way === HTTP;
  }
  /** wait is how long until a WebSocket is tried again. */
  wait() {
    const most = Math.min(MOST_WAIT, LEAST_WAIT * 2 ** Math.min(this.#failures, 10));
    this.#failures++;
    return most * (1 + Math.random()) / 2;
  }
  /** opened is told that a try has succeeded, and whether a WebSocket has failed before in the same attempt. */
  opened(way, failed) {
    if (way === WEBSOCKET) {
      this.#remembered.forget(HTTP);
    } else if (failed) {
      this.block();
    }
  }
  /** ended is told that a WebSocket has ended that was open for so long, and whether that was without a word. */
  ended(lasted, cut) {
    if (lasted >= STEADY) {
      this.#cuts = this.#failures = 0;
    } else if (cut && ++this.#cuts >= MAX_CUTS) {
      this.#failures = Math.max(this.#failures, AFTER_CUTS);
      this.block();
    }
  }
  /** block has HTTP come first for a while. */
  block() {
    if (this.#both) {
      this.#remembered.keep(HTTP, REMEMBERED);
    }
  }
};

// src/link.js
var STEADY_AFTER = 1e4;
var WAKE_REST = 1e3;
var MAX_SPREAD = 6e5;
var Link = class {
  #urls;
  #turn = 0;
  #options;
  #told;
  #backoff;
  #ways;
  // What is left of the present attempt, and whether a WebSocket has failed in it.
  #tries = [];
  #url;
  #failed = false;
  // What ends the wait for another try of a WebSocket, beside a connection over HTTP, or the try itself.
  #cancelBack = () => {
  };
  #trying = null;
  #triedAt = -Infinity;
  #way = null;
  // running: there is a connection, or there is to be one.
  #running = false;
  #connection = null;
  // The attempt that is under way beside the present connection.
  #next = null;
  #former = null;
  #dialedAt = -Infinity;
  // What ends the present attempt, so that another one takes its place.
  #hastened = null;
  #replaced = false;
  // What comes before the next attempt. Beside a connection it is its hub's shutdown.
  #pause = null;
  #putAway = false;
  #leaving = false;
  #unwatch = () => {
  };
  /**
   * @param {string[]} urls each attempt takes the next one
   * @param {object} options the client's
   * @param {{needed: () => boolean, stay: (connection: Connection) => boolean, prepare: () => Promise<void> | null,
   *   first: () => object | null,
   *   opened: (connection: Connection, how: {sent: boolean, prepared: boolean}) => void,
   *   frame: (connection: Connection, frame: object) => void,
   *   lost: (connection: Connection | null, how: {number: number, reason: string, silent: boolean, wasOpen: boolean,
   *     replaced: boolean}) => void, way: (way: string | null) => void}} told
   *   needed: there is something to be connected for; stay: all memberships are on that
   *   connection; prepare is what has to be done before an
   *   attempt, which comes later where that is rejected; first is the frame to send along with
   *   a handshake, and sent whether the hub has taken it; prepared: what has to be done before an attempt was done;
   *   replaced: it was this side that gave an attempt up, or another try, and another one follows; way is told the way
   *   of the present connection, when it changes
   */
  constructor(urls, options, told) {
    this.#urls = urls;
    this.#options = options;
    this.#told = told;
    this.#backoff = new Backoff(options);
    this.#ways = new Ways(options, urls[0]);
  }
  /** current is the connection on which frames can be sent now, or null. */
  get current() {
    return this.#connection?.open ? this.#connection : null;
  }
  /** former is the connection that is being moved away from, or null. */
  get former() {
    return this.#former;
  }
  /** moving: another connection is to be made, or is being made, beside the present one. */
  get moving() {
    return Boolean(this.#connection && (this.#pause || this.#next && this.#next !== this.#trying));
  }
  /** way is that of the present connection, or null. */
  get way() {
    return this.#way;
  }
  /** addresses is how many different ones there are. */
  get addresses() {
    return this.#urls.length;
  }
  /** spread is told that the connection's hub shuts down, and how far the returns are to be spread. */
  spread(connection, milliseconds2) {
    connection.shutdown = Math.min(milliseconds2, MAX_SPREAD);
    this.#move();
  }
  // One attempt is made to move away from a connection, when the one before it has ended.
  #move() {
    const connection = this.current;
    if (connection && connection.shutdown !== null && !connection.leaves && !this.#former && !this.#putAway && !this.#leaving) {
      connection.leaves = true;
      this.#stayHere();
      this.#steady(connection);
      this.#rest(Math.max(this.#backoff.next(), Math.random() * connection.shutdown), true);
    }
  }
  /** start begins to connect, unless that is under way. */
  start() {
    if (this.#running) {
      return;
    }
    this.#running = true;
    this.#unwatch = watchPage({
      gone: () => this.#probe(),
      woken: () => {
        this.#woken();
        this.#goBackSoon();
      },
      putAway: () => this.#putPageAway(),
      back: () => this.#back()
    });
    this.#dial();
  }
  /** stopIfIdle ends a pause with nothing to come back for. */
  stopIfIdle() {
    if (this.#pause && !this.#connection && !this.#told.needed()) {
      this.#stop();
    }
  }
  /** dismiss ends the former connection, when nothing is on it any more. */
  dismiss() {
    if (!this.#former.givenUp) {
      this.#former.givenUp = true;
      this.#finish(this.#former, Close.IDLE, "moved to another connection", []);
    }
  }
  /** ended resolves when the connections have ended that there are. */
  ended() {
    return Promise.all(this.#all.map(({ over: over3 }) => over3));
  }
  /**
   * leave ends the connections for good, with this number and in order, behind the frames that are for
   * each, within the client's closeTimeout.
   */
  async leave(framesFor, number) {
    this.#leaving = true;
    this.#cancelBack();
    this.#pause?.cancel();
    this.#next?.abandon(number, "");
    await Promise.all(this.#all.map((connection) => this.#finish(connection, number, "", framesFor(connection))));
    if (this.#running) {
      this.#stop();
    }
  }
  get #all() {
    return [this.#next, this.#connection, this.#former].filter(Boolean);
  }
  #probe() {
    this.#all.forEach((connection) => connection.probe(this.#options.wakePatience));
  }
  async #finish(connection, number, reason, frames) {
    const cancel = later(this.#options.closeTimeout, () => connection.abandon(number, reason));
    connection.close(number, reason, frames);
    await connection.over;
    cancel();
  }
  #stop() {
    this.#pause?.cancel();
    this.#pause = null;
    this.#running = false;
    this.#putAway = false;
    this.#cancelBack();
    this.#unwatch();
  }
  // dial begins an attempt.
  #dial() {
    this.#pause = null;
    if (this.#connection && !this.#told.needed()) {
      return;
    }
    this.#url = this.#address();
    this.#tries = this.#connection ? [this.#ways.beside(this.#connection.way)] : this.#ways.tries();
    this.#failed = false;
    this.#try();
  }
  // try goes on with it.
  #try() {
    this.#dialedAt = performance.now();
    const prepared = this.#told.prepare();
    if (prepared) {
      this.#await(prepared);
    } else {
      this.#connect();
    }
  }
  #await(prepared) {
    let over3 = false;
    this.#pause = {
      forHub: false,
      until: this.#dialedAt,
      preparing: true,
      cancel: () => {
        over3 = true;
      }
    };
    const go = (on) => () => {
      if (over3) {
        return;
      }
      this.#pause = null;
      if (this.#told.needed()) {
        on();
      } else if (!this.#connection) {
        this.#stop();
      }
    };
    prepared.then(
      go(() => this.#connect()),
      // Beside a connection there is one attempt, and this was it.
      go(() => this.#connection || this.#rest(this.#backoff.next(), false))
    );
  }
  #connect() {
    const present = this.#connection;
    const target = { url: this.#url, ...this.#tries.shift() };
    const first = present || target.way !== WEBSOCKET ? null : this.#told.first();
    let connection = null;
    try {
      connection = this.#make(target, first);
    } catch (error) {
      if (!present) {
        queueMicrotask(() => this.#disconnected(null, { number: 0, reason: error.message, silent: false }));
      }
      return;
    }
    if (present) {
      this.#next = connection;
    } else {
      this.#connection = connection;
    }
  }
  #make(target, first) {
    const connection = new Connection(target, this.#options, first, {
      opened: (sent) => this.#opened(connection, sent),
      frame: (frame) => this.#told.frame(connection, frame),
      ended: (how) => this.#disconnected(connection, how)
    });
    return connection;
  }
  #address() {
    const next = () => this.#urls[this.#turn++ % this.#urls.length];
    const url = next();
    return url === this.#connection?.url ? next() : url;
  }
  #opened(connection, sent) {
    this.#unhasten();
    const prepared = connection !== this.#trying;
    this.#trying = null;
    this.#ways.opened(connection.way, this.#failed);
    if (connection === this.#next) {
      this.#former = this.#connection;
      this.#connection = connection;
      this.#next = null;
    }
    this.#isOn(connection);
    this.#told.opened(connection, { sent, prepared });
  }
  // isOn says on which way the client is, and looks after that.
  #isOn(connection) {
    const way = connection?.opened ? connection.way : null;
    this.#cancelBack();
    if (this.#ways.leads(way)) {
      this.#cancelBack = later(this.#ways.wait(), () => this.#goBack());
    }
    if (way !== this.#way) {
      this.#way = way;
      this.#told.way(way);
    }
  }
  // goBack tries a WebSocket beside the connection over HTTP.
  #goBack() {
    const { current } = this;
    if (!current || !this.#ways.leads(current.way)) {
      return;
    }
    this.#cancelBack = later(this.#ways.wait(), () => this.#goBack());
    if (this.#next || this.#former || this.#pause || this.#putAway || this.#leaving) {
      return;
    }
    this.#triedAt = performance.now();
    this.#tries = [];
    try {
      this.#trying = this.#next = this.#make({ url: current.url, ...this.#ways.back() }, null);
    } catch {
      this.#ways.block();
    }
  }
  // The network may be another one.
  #goBackSoon() {
    const rest = this.#triedAt + WAKE_REST - performance.now();
    if (this.current && this.#ways.leads(this.current.way) && !this.#trying) {
      this.#cancelBack();
      this.#cancelBack = later(Math.max(0, rest), () => this.#goBack());
    }
  }
  // stayHere ends a try of a WebSocket.
  #stayHere() {
    this.#cancelBack();
    this.#trying?.abandon(Close.IDLE, "not needed any more");
  }
  #disconnected(connection, { number, reason, silent }) {
    if (connection && connection === this.#next) {
      this.#next = null;
      if (connection === this.#trying) {
        this.#trying = null;
        this.#ways.block();
      }
      return;
    }
    const wasOpen = Boolean(connection?.opened);
    if (connection === this.#connection) {
      this.#stayHere();
    }
    if (connection && connection === this.#former) {
      this.#former = null;
      this.#told.lost(connection, { number, reason, silent, wasOpen, replaced: false });
      this.#move();
      return;
    }
    const again = this.#triesOn(connection, number);
    const replaced = this.#replaced || this.#putAway && !wasOpen || again && !wasOpen;
    this.#unhasten();
    this.#replaced = false;
    this.#connection = this.#next;
    this.#next = null;
    this.#steady(connection);
    this.#told.lost(connection, { number, reason, silent, wasOpen, replaced });
    if (this.#connection) {
      this.#isOn(this.#connection);
      return;
    }
    if (this.#former && this.#told.stay(this.#former)) {
      this.#connection = this.#former;
      this.#former = null;
      if (this.#ways.leads(this.#connection.way)) {
        this.#ways.block();
      }
      this.#isOn(this.#connection);
      return;
    }
    this.#isOn(null);
    if (!this.#told.needed()) {
      this.#stop();
    } else if (again) {
      this.#try();
    } else if (replaced && !this.#putAway) {
      this.#dial();
    } else if (!this.#pause) {
      this.#restAfter(number, connection?.shutdown ?? null);
    }
  }
  // triesOn reports whether the attempt goes on, by another way, when a connection has ended: it has not come about, or nothing
  // has come on it.
  #triesOn(connection, number) {
    const wasOpen = Boolean(connection?.opened);
    const own2 = connection?.givenUp || this.#replaced || this.#putAway || this.#leaving;
    const failed = number === 0 && !own2 && !connection?.heard;
    const isWebSocket = connection === null || connection.way === WEBSOCKET;
    if (wasOpen && isWebSocket) {
      this.#ways.ended(performance.now() - connection.openedAt, number === 0 && !own2);
    }
    if (!failed) {
      return false;
    }
    this.#failed ||= isWebSocket;
    if (!connection?.late) {
      const way = connection?.way ?? WEBSOCKET;
      this.#tries = this.#tries.filter((each) => each.way !== way);
    }
    return this.#tries.length > 0;
  }
  // A connection has not failed that was good for a while, or that has worked until its hub shut
  // down in order: a hub may be replaced several times in a row.
  #steady(connection) {
    const lasted = connection?.opened && performance.now() - connection.openedAt >= STEADY_AFTER;
    if (lasted || connection?.worked && connection.shutdown !== null) {
      this.#backoff.steady();
    }
  }
  #restAfter(number, shutdown) {
    let wait = number === Close.RATE_LIMITED ? this.#backoff.longest() : this.#backoff.next();
    if (shutdown !== null) {
      wait = Math.max(wait, Math.random() * shutdown);
    }
    this.#rest(wait, shutdown !== null);
  }
  #rest(wait, forHub) {
    const cancel = this.#putAway ? () => {
    } : later(wait, () => this.#dial());
    this.#pause = { forHub, until: performance.now() + wait, cancel };
  }
  // The page was asleep, or its network is back: what there is is looked at, and
  // what is waited for is tried at once. A hub's shutdown is waited for all the same.
  #woken() {
    if (this.#putAway) {
      return;
    }
    if (this.#connection && !this.#connection.opened) {
      this.#hasten();
    }
    this.#probe();
    if (this.#pause && !this.#pause.preparing) {
      const { forHub, until } = this.#pause;
      const rest = Math.max(0, this.#dialedAt + WAKE_REST - performance.now());
      const wait = Math.max(0, until - performance.now());
      this.#pause.cancel();
      if (forHub) {
        this.#rest(wait, forHub);
      } else if (Math.min(rest, wait) > 0) {
        this.#rest(Math.min(rest, wait), forHub);
      } else {
        this.#dial();
      }
    }
  }
  // An attempt that was begun before may hang. It has so much time from its beginning on,
  // and then another one takes its place.
  #hasten() {
    const most = Math.max(this.#options.wakePatience, WAKE_REST);
    const rest = this.#dialedAt + most - performance.now();
    this.#unhasten();
    this.#hastened = later(Math.max(0, rest), () => {
      this.#replaced = true;
      this.#connection.abandon(Close.IDLE, "another attempt takes its place");
    });
  }
  #unhasten() {
    this.#hastened?.();
    this.#hastened = null;
  }
  #back() {
    if (this.#putAway) {
      this.#putAway = false;
      this.#dialedAt = -Infinity;
    }
    this.#woken();
  }
  #putPageAway() {
    this.#putAway = true;
    this.#unhasten();
    if (this.#leaving) {
      return;
    }
    this.#pause?.cancel();
    if (this.#connection) {
      this.#pause = null;
    } else if (this.#pause) {
      this.#pause.preparing = false;
    }
    this.#all.forEach((connection) => connection.abandon(Close.IDLE, "the page is put away"));
  }
};

// src/iteration.js
var AsyncIterator = Object.getPrototypeOf(Object.getPrototypeOf(async function* none() {
}).prototype);
var STOPPED = /* @__PURE__ */ Symbol("stopped");
var done = (value) => ({ done: true, value });
var Iteration = class {
  #stop = new AbortController();
  #parts;
  #unfollow = () => {
  };
  constructor(make, signal) {
    const follow = () => this.#stop.abort(signal.reason);
    this.#parts = make(this.#stop.signal);
    if (signal?.aborted) {
      follow();
    } else if (signal) {
      signal.addEventListener("abort", follow, { once: true });
      this.#unfollow = () => signal.removeEventListener("abort", follow);
    }
  }
  async next() {
    let result;
    try {
      result = await this.#parts.next();
    } catch (error) {
      this.#unfollow();
      if (error === STOPPED) {
        return done();
      }
      throw error;
    }
    if (result.done) {
      this.#unfollow();
    }
    return result.value?.error === STOPPED ? done() : result;
  }
  async return(value) {
    await this.#end();
    return done(value);
  }
  async throw(error) {
    await this.#end();
    throw error;
  }
  async #end() {
    this.#unfollow();
    this.#stop.abort(STOPPED);
    await this.#parts.return();
  }
};
Object.setPrototypeOf(Iteration.prototype, AsyncIterator);
function iterate(make, signal) {
  return new Iteration(make, signal);
}

// src/handle.js
function mustAsk({ requestId }) {
  if (whole("requestId", requestId) === 0) {
    throw new RefusedError(Code.NO_SUCH_REQUEST, "the message asks for no answer");
  }
}
var Handle = class extends EventTarget {
  #membership;
  constructor(membership) {
    super();
    this.#membership = membership;
    membership.handle = this;
  }
  /** The channel's name. */
  get channel() {
    return this.#membership.channel;
  }
  /** The name that the others see, which the service may have given. */
  get username() {
    return this.#membership.username;
  }
  /** How long the master may be away, in milliseconds. */
  get timeout() {
    return this.#membership.timeout;
  }
  /** online, reconnecting or closed. */
  get state() {
    return this.#membership.state;
  }
  /** Why the membership is over, or null. */
  get error() {
    return this.#membership.error;
  }
  /** Resolves with the error that says why, once the membership is over. */
  get closed() {
    return this.#membership.closed;
  }
  /** What it takes to come back from another client. To be kept like a password. */
  get ticket() {
    return this.#membership.ticket;
  }
  /** The attributes that this handle has set, or entered with, by their keys. */
  get attributes() {
    return this.#membership.attributes.own;
  }
  /** setAttribute gives this member an attribute: the last value by key. */
  async setAttribute(key, payload, { signal, ...rest } = {}) {
    noOthers("setAttribute", rest);
    mustBeShortName("key", key);
    return this.#membership.set(key, payloadOf(payload, this.#membership.session.options.maxMessageBytes), signal);
  }
  /** deleteAttribute takes an attribute away. */
  async deleteAttribute(key, { signal, ...rest } = {}) {
    noOthers("deleteAttribute", rest);
    mustBeShortName("key", key);
    return this.#membership.set(key, void 0, signal);
  }
  /** refresh shows the service a new token before what it has granted expires. */
  async refresh(token, { signal, ...rest } = {}) {
    noOthers("refresh", rest);
    return this.#membership.session.refresh(this.#membership, token, signal);
  }
  /** The messages that ask and were not answered yet, by their numbers. */
  get openRequests() {
    return this.#membership.openRequests;
  }
  /** decline says no to a message that asks, in the place of an answer. */
  async decline(message, code, text = "", { signal, ...rest } = {}) {
    noOthers("decline", rest);
    mustAsk(message);
    return this.#membership.decline(message, code, text, signal);
  }
  /**
   * events yields messages, changes of presence and of attributes, gaps, and at a slave that it is muted or
   * no longer, and at last that it is the master, in one order, until the membership is over.
   */
  events({ signal, ...rest } = {}) {
    return iterate((stop) => this.#entries("events", rest, stop, () => true), signal);
  }
  /** messages yields the messages alone. It takes from the same queue as events. */
  messages({ signal, ...rest } = {}) {
    return iterate((stop) => this.#entries("messages", rest, stop, (entry) => entry.type === "message"), signal);
  }
  async *#entries(what, rest, stop, fits) {
    noOthers(what, rest);
    for (; ; ) {
      const entry = await this.#membership.inbox.take(stop);
      if (entry === void 0) {
        return;
      }
      if (fits(entry)) {
        yield entry;
      }
    }
  }
  [Symbol.asyncIterator]() {
    return this.messages();
  }
};

// src/sendoptions.js
function sendOptions(what, { topic, expires, signal, ...rest } = {}) {
  noOthers(what, rest);
  const fields = {};
  if (topic !== void 0) {
    mustBeShortName("topic", topic);
    fields.topic = topic;
  }
  if (expires !== void 0) {
    fields.expires_ms = milliseconds("expires", expires, 1, MAX_EXPIRES);
  }
  return { fields, signal };
}

// src/master.js
function mustBeSendable(username) {
  if (!sendable(username)) {
    throw new RefusedError(Code.NO_SUCH_SLAVE, `there is no slave ${quoted(username)}: members tells who is there`);
  }
}
function numbered(knock) {
  if (!Number.isSafeInteger(knock) || knock < 1) {
    throw new TypeError("a knock is named by its number");
  }
  return knock;
}
var Master = class extends Handle {
  #membership;
  constructor(membership) {
    super(membership);
    this.#membership = membership;
  }
  /** The slaves of the channel, those away included, by their names. */
  get members() {
    return this.#membership.roster.members;
  }
  /** How many slaves there are, online and away, as it is known on this side. */
  get counts() {
    const { counted, counts, roster } = this.#membership;
    return counted ? counts.current : roster.counts;
  }
  /** allMembers asks the hub who is there, and yields the slaves in the order in which they have joined. */
  allMembers({ signal, ...rest } = {}) {
    noOthers("allMembers", rest);
    return iterate((stop) => this.#allMembers(stop), signal);
  }
  async *#allMembers(signal) {
    for (let after2 = 0, more = true; more; ) {
      const page = await this.#membership.page(after2, signal);
      for (const { username, state, number } of page.members) {
        yield presence("slave", username, state);
        after2 = number;
      }
      more = page.more;
    }
  }
  /** attributesOf returns the attributes of a slave, by their keys, as they are known on this side. */
  attributesOf(username) {
    return this.#membership.attributes.of(username);
  }
  /** broadcast sends to all slaves, and returns the receipt: its number, and to how many it was queued. */
  async broadcast(payload, options) {
    const { fields, signal } = sendOptions("broadcast", options);
    return this.#membership.send(fields, payload, { signal });
  }
  /** send sends to one slave, also while it is away. */
  async send(to, payload, options) {
    const { fields, signal } = sendOptions("send", options);
    mustBeSendable(to);
    return this.#membership.send({ ...fields, to }, payload, { signal });
  }
  /** request sends to one slave and waits for its answer. */
  async request(to, payload, options) {
    const { fields, signal } = sendOptions("request", options);
    mustBeSendable(to);
    return this.#membership.inquiries.ask({ ...fields, to }, payload, to, signal);
  }
  /**
   * gather asks all slaves that are members at the moment at which the hub accepts
   * the question, and yields the part of each once. The question is sent when
   * the iteration begins. asked is told who is asked; with newcomers those are asked too who join
   * meanwhile.
   */
  gather(payload, { signal, ...options } = {}) {
    return iterate((stop) => this.#gather(payload, stop, options), signal);
  }
  async *#gather(payload, signal, { asked, newcomers = false, ...options }) {
    const { fields } = sendOptions("gather", options);
    if (asked !== void 0 && typeof asked !== "function") {
      throw new TypeError("asked must be a function, which is told who is asked");
    }
    const { inquiries } = this.#membership;
    const inquiry = await inquiries.gather(fields, payload, { asked, newcomers }, signal);
    yield* inquiries.partsOf(inquiry, signal);
  }
  /** reply answers a message of a slave that asks. */
  async reply(message, payload, options) {
    const { fields, signal } = sendOptions("reply", options);
    mustAsk(message);
    return this.#membership.send({ ...fields, to: message.from, reply: message.requestId }, payload, { signal });
  }
  /** kick removes a slave, which is told the reason. It may join again. */
  async kick(username, { reason, signal, ...rest } = {}) {
    noOthers("kick", rest);
    mustBeSendable(username);
    return this.#membership.operate({ type: "kick", to: username, reason }, signal);
  }
  /** ban removes a slave, if it is there, and refuses its name for the life of the channel. */
  async ban(username, { reason, signal, ...rest } = {}) {
    noOthers("ban", rest);
    mustBeSendable(username);
    return this.#membership.operate({ type: "kick", to: username, reason, ban: true }, signal);
  }
  /** mute has a slave be quiet: what it sends of its own accord is refused. Its answers are not. */
  async mute(username, options) {
    return this.#mute("mute", { to: username, on: true }, options);
  }
  /** unmute lets a slave speak that was muted. */
  async unmute(username, options) {
    return this.#mute("unmute", { to: username, on: false }, options);
  }
  /** muteAll has all slaves be quiet, those too that join later. There are no exceptions any more. */
  async muteAll(options) {
    return this.#mute("muteAll", { on: true }, options);
  }
  /** unmuteAll lets all slaves speak. There are no exceptions any more. */
  async unmuteAll(options) {
    return this.#mute("unmuteAll", { on: false }, options);
  }
  /** Whether all slaves are muted that are no exceptions. */
  get allMuted() {
    return this.#membership.voice.muted;
  }
  async #mute(what, fields, { signal, ...rest } = {}) {
    noOthers(what, rest);
    if ("to" in fields) {
      mustBeSendable(fields.to);
    }
    return this.#membership.operate({ type: "mute", ...fields }, signal);
  }
  /** setDoor says what becomes of who joins: 'open' lets them in, 'knock' has them wait, 'locked' refuses them. */
  async setDoor(door, { signal, ...rest } = {}) {
    noOthers("setDoor", rest);
    if (door === void 0) {
      throw new TypeError("a door is 'open', 'knock' or 'locked'");
    }
    return this.#membership.operate({ type: "door", door: doorOf(door) }, signal);
  }
  /** What becomes of who joins, as far as it is known on this side. */
  get door() {
    return this.#membership.door.mode;
  }
  /** Those who wait at the door, in the order in which they have knocked, as far as it is known on this side. */
  get knocks() {
    return this.#membership.door.knocks;
  }
  /** admit lets the one in who has knocked under the number. */
  async admit(knock, { signal, ...rest } = {}) {
    noOthers("admit", rest);
    return this.#membership.operate({ type: "admit", knock: numbered(knock) }, signal);
  }
  /** deny refuses the one who has knocked under the number. It may knock again. */
  async deny(knock, reason, { signal, ...rest } = {}) {
    noOthers("deny", rest);
    return this.#membership.operate({ type: "deny", knock: numbered(knock), reason }, signal);
  }
  /** away tells the slaves that the master is not there, though it is connected. */
  async away({ signal, ...rest } = {}) {
    noOthers("away", rest);
    return this.#membership.operate({ type: "away" }, signal);
  }
  /** back ends what away has begun. */
  async back({ signal, ...rest } = {}) {
    noOthers("back", rest);
    return this.#membership.operate({ type: "back" }, signal);
  }
  /**
   * handOver makes a slave the master, in one step. This handle is over then: with stay the member goes on as a
   * slave, whose handle is returned, and otherwise it has left, and null is.
   */
  async handOver(username, { stay = false, signal, ...rest } = {}) {
    noOthers("handOver", rest);
    mustBeSendable(username);
    return this.#membership.handOver(username, Boolean(stay), signal);
  }
  /** close closes the channel: every slave is told master_left and let go. */
  async close() {
    return this.#membership.leave();
  }
};

// src/confirming.js
var CONFIRM_AFTER = 1e3;
var Confirming = class {
  #membership;
  // The hub's: after so many messages, or bytes of payload, they are to be confirmed. Zero:
  // it needs no confirmation.
  #mostMessages = 0;
  #mostBytes = 0;
  // What has arrived since something was confirmed.
  #messages = 0;
  #bytes = 0;
  #cancel = null;
  constructor(membership) {
    this.#membership = membership;
  }
  /** begin takes what created or joined says, and starts anew: a resume has told what has arrived. */
  begin({ confirm_messages: messages = 0, confirm_bytes: bytes = 0 }) {
    this.#mostMessages = messages;
    this.#mostBytes = bytes;
    this.#confirmed();
  }
  /**
   * confirm tells what has arrived. Where it is the first frame of a membership on its
   * connection, the hub takes this client for its holder from then on.
   */
  confirm() {
    const { channel, epoch, last } = this.#membership;
    this.#confirmed();
    if (epoch > 0) {
      this.#membership.push(this.#shown({ type: "ping", channel, seen: last }));
    }
  }
  /** along is a member's frame with what is to be confirmed, and the epoch where that is to be shown. */
  along(frame) {
    if (frame.type === "join") {
      return frame;
    }
    const shown = this.#shown(frame);
    if (this.#messages === 0) {
      return shown;
    }
    this.#confirmed();
    return { ...shown, seen: this.#membership.last };
  }
  #shown(frame) {
    const { shows, epoch } = this.#membership;
    return shows ? { ...frame, epoch } : frame;
  }
  /** arrived counts a message. */
  arrived(bytes) {
    if (this.#mostMessages === 0) {
      return;
    }
    this.#messages++;
    this.#bytes += bytes;
    if (this.#messages >= this.#mostMessages || this.#bytes >= this.#mostBytes) {
      this.confirm();
    }
    this.#cancel ??= later(CONFIRM_AFTER, () => {
      this.#cancel = null;
      if (this.#messages > 0) {
        this.confirm();
      }
    });
  }
  stop() {
    this.#cancel?.();
    this.#cancel = null;
    this.#confirmed();
  }
  #confirmed() {
    this.#messages = this.#bytes = 0;
  }
};

// src/counts.js
var Counts = class {
  // Stores of frameworks take another object for a change.
  current = Object.freeze({ online: 0, away: 0 });
  #told;
  /** @param {(entry: object, event: Event) => void} told is told of each change of which the application hears */
  constructor(told) {
    this.#told = told;
  }
  /** becomes notes what the hub has said. quietly: the application is about to look. */
  becomes({ online = 0, away = 0 }, quietly = false) {
    if (online === this.current.online && away === this.current.away) {
      return;
    }
    this.current = Object.freeze({ online, away });
    if (!quietly) {
      this.#told(Object.freeze({ type: "counts", online, away }), new CountsEvent(this.current));
    }
  }
};

// src/door.js
function knockOf({ knock, username, attributes = [] }, over3 = false) {
  return Object.freeze({
    type: "knock",
    number: knock,
    username,
    attributes: new Map(attributes.map(({ key, payload }) => [key, new Attribute(username, key, payload, 0)])),
    over: over3
  });
}
var Door = class {
  mode = "open";
  #knocks = [];
  #told;
  /** @param {(knock: object, event: Event) => void} told is told of each change of who waits */
  constructor(told) {
    this.#told = told;
  }
  /** knocks are those who wait, in the order in which they have knocked. */
  get knocks() {
    return [...this.#knocks];
  }
  /** listed takes what a created says. Who is not in it does not wait any more. */
  listed({ door = "open", knocks = [] }) {
    this.mode = door;
    for (const { number } of this.knocks) {
      if (!knocks.some(({ knock }) => knock === number)) {
        this.#over(number);
      }
    }
    knocks.forEach((knock) => this.#add(knock));
  }
  /** knocked takes a knock. */
  knocked(frame) {
    if (frame.on) {
      this.#add(frame);
    } else {
      this.#over(frame.knock);
    }
  }
  #add(frame) {
    if (this.#knocks.some(({ number }) => number === frame.knock) || this.#knocks.length >= MAX_KNOCKS) {
      return;
    }
    const knock = knockOf(frame);
    this.#knocks.push(knock);
    this.#tell(knock);
  }
  #over(number) {
    const knock = this.#knocks.find((each) => each.number === number);
    if (knock) {
      this.#knocks = this.#knocks.filter((each) => each !== knock);
      this.#tell(Object.freeze({ ...knock, over: true }));
    }
  }
  #tell(knock) {
    this.#told(knock, new KnockEvent(knock));
  }
};

// src/changes.js
var Changes = class {
  // By member, and there by key: what waits, and whether the one who takes knows a value.
  #members = /* @__PURE__ */ new Map();
  // {change, behind}, in their order. Where change is null it was followed by a newer one.
  #queue = [];
  #head = 0;
  #followed = 0;
  /** behind is how many other entries are before the first one, or Infinity where there is none. */
  get behind() {
    while (this.#head < this.#queue.length && !this.#queue[this.#head].change) {
      this.#head++;
      this.#followed--;
    }
    return this.#queue[this.#head]?.behind ?? Infinity;
  }
  /** add puts a change behind so many other entries. */
  add(change, behind) {
    const { from, key, deleted } = change;
    const member = this.#members.get(from) ?? /* @__PURE__ */ new Map();
    const state = member.get(key) ?? { known: false, deletion: null, value: null };
    this.#members.set(from, member.set(key, state));
    this.#follow(state.value);
    state.value = null;
    if (!deleted) {
      state.value = this.#push(change, behind);
    } else if (state.known) {
      state.deletion ??= this.#push(change, behind);
    }
    this.#clean(change, state);
  }
  /** take takes the first one, of which behind has told. */
  take() {
    const { change } = this.#queue[this.#head];
    this.#queue[this.#head++] = void 0;
    const state = this.#members.get(change.from).get(change.key);
    if (change.deleted) {
      state.deletion = null;
    } else {
      state.value = null;
    }
    state.known = !change.deleted;
    this.#clean(change, state);
    this.#compact();
    return change;
  }
  /** forget takes out what is of a member whose membership is over. */
  forget(from) {
    for (const { deletion, value } of this.#members.get(from)?.values() ?? []) {
      this.#follow(deletion);
      this.#follow(value);
    }
    this.#members.delete(from);
    this.#compact();
  }
  /** rename has what is of a member be another one's from now on. */
  rename(before, name) {
    const states2 = this.#members.get(before);
    if (!states2) {
      return;
    }
    this.#members.delete(before);
    this.#members.set(name, states2);
    for (const { deletion, value } of states2.values()) {
      for (const slot of [deletion, value].filter(Boolean)) {
        slot.change = renamed(slot.change, name);
      }
    }
  }
  clear() {
    this.#members.clear();
    this.#queue = [];
    this.#head = this.#followed = 0;
  }
  #push(change, behind) {
    const slot = { change, behind };
    this.#queue.push(slot);
    return slot;
  }
  #follow(slot) {
    if (slot) {
      slot.change = null;
      this.#followed++;
    }
  }
  #clean({ from, key }, { known: known3, deletion, value }) {
    const member = this.#members.get(from);
    if (!known3 && !deletion && !value && member.delete(key) && member.size === 0) {
      this.#members.delete(from);
    }
    this.#compact();
  }
  #compact() {
    const idle = this.#head + this.#followed;
    if (idle > 32 && idle * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head).filter(({ change }) => change);
      this.#head = this.#followed = 0;
    }
  }
};

// src/inbox.js
var ENTRY_OVERHEAD = 64;
var sizeOf2 = (entry) => ENTRY_OVERHEAD + (entry.type === "message" ? entry.size : 0);
var Inbox = class {
  #bound;
  #taken;
  #entries = [];
  // The entries before head have been taken.
  #head = 0;
  // How many were taken or dropped so far.
  #removed = 0;
  #changes = new Changes();
  #bytes = 0;
  #dropped = false;
  #missed = 0;
  #takers = [];
  #ended = false;
  // The number of the newest message that has expired here and is not told yet, and those of
  // the newest messages that are missing in gaps.
  #expired = 0;
  #numbers = /* @__PURE__ */ new WeakMap();
  /**
   * @param {{messages: number, bytes: number}} bound
   * @param {(entry: object, dropped: boolean, number: number) => void} taken is told of each
   *   entry that is taken; dropped: it is a gap that arose here; number is that of the newest
   *   message that is missing in a gap, or zero where that is not known
   */
  constructor(bound, taken) {
    this.#bound = bound;
    this.#taken = taken;
  }
  /** add adds an entry. number is that of the newest message that is missing in a gap, if it is known. */
  add(entry, number = 0) {
    if (entry.type === "attribute") {
      this.#changes.add(entry, this.#removed + this.#entries.length - this.#head);
      this.#serve();
      return;
    }
    this.#numbers.set(entry, number);
    this.#entries.push(entry);
    this.#bytes += sizeOf2(entry);
    const over3 = () => {
      const count = this.#entries.length - this.#head;
      return count > this.#bound.messages || count > 1 && this.#bytes > this.#bound.bytes;
    };
    while (over3()) {
      const lost = this.#shift();
      this.#dropped = true;
      this.#missed += lost.type === "message" ? 1 : lost.missed ?? 0;
    }
    this.#serve();
  }
  /** forget takes out the changes of attributes of a member whose membership is over. */
  forget(username) {
    this.#changes.forget(username);
  }
  /** rename has the changes of attributes of a member be another one's from now on. */
  rename(before, name) {
    this.#changes.rename(before, name);
  }
  /** end tells that nothing will be added any more. passedOn: what was not taken is another one's to take. */
  end(passedOn = false) {
    this.#ended = true;
    if (passedOn) {
      this.#entries = [];
      this.#head = this.#bytes = 0;
      this.#changes.clear();
      this.#dropped = false;
    }
    this.#serve();
  }
  /**
   * take waits for the next entry, which is undefined when the membership is over
   * and everything has been taken.
   *
   * @param {AbortSignal} [signal]
   */
  take(signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        reject(signal.reason);
      };
      const taker = (entry) => {
        signal?.removeEventListener("abort", abort);
        resolve(entry);
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#takers.push(taker);
      this.#serve();
    });
  }
  /** firstWaiting is the number of the first message that was not taken yet, or Infinity. */
  get firstWaiting() {
    for (let index = this.#head; index < this.#entries.length; index++) {
      if (this.#entries[index].type === "message") {
        return this.#entries[index].seq;
      }
    }
    return Infinity;
  }
  #serve() {
    while (this.#takers.length > 0) {
      this.#dropExpired();
      if (this.#dropped) {
        const gap = Object.freeze({ type: "gap", missed: this.#missed });
        this.#dropped = false;
        this.#missed = 0;
        this.#numbers.set(gap, this.#expired);
        this.#expired = 0;
        this.#give(gap, true);
      } else if (this.#changes.behind <= this.#removed) {
        this.#give(this.#changes.take(), false);
      } else if (this.#head < this.#entries.length) {
        this.#give(this.#shift(), false);
      } else if (this.#ended) {
        this.#takers.shift()(void 0);
      } else {
        return;
      }
    }
  }
  // Drops the messages that come next and are worth nothing any more.
  #dropExpired() {
    while (this.#entries[this.#head]?.expired) {
      this.#expired = this.#shift().seq;
      this.#dropped = true;
      this.#missed++;
    }
  }
  #give(entry, dropped) {
    this.#taken(entry, dropped, this.#numbers.get(entry) ?? 0);
    this.#takers.shift()(entry);
  }
  #shift() {
    const entry = this.#entries[this.#head];
    this.#entries[this.#head++] = void 0;
    this.#removed++;
    this.#bytes -= sizeOf2(entry);
    if (this.#head > 32 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return entry;
  }
};

// src/answers.js
var FIRST_PAUSE = 1e3;
var AnswerQueue = class {
  #limit;
  #waiting = [];
  #bytes = 0;
  #complete = false;
  #refused = false;
  #changed = () => {
  };
  /** @param {number} limit in bytes */
  constructor(limit) {
    this.#limit = limit;
  }
  /** add puts in {from, message, error}, of which message or error is null. */
  add(part) {
    const size = part.message?.size ?? 0;
    if (this.#bytes > 0 && this.#bytes + size > this.#limit) {
      this.#waiting.push({ from: part.from, message: null, error: new GapError(1) });
    } else {
      this.#bytes += size;
      this.#waiting.push(part);
    }
    this.#changed();
  }
  /** wake lets the one who takes the parts look at what else there is. */
  wake() {
    this.#changed();
  }
  /** finish tells that no more will come. */
  finish() {
    this.#complete = true;
    this.#changed();
  }
  /** refuse tells that the hub must be asked again later who is still to answer. */
  refuse() {
    this.#refused = true;
    this.#changed();
  }
  /**
   * each yields the parts until the last one. One reader at a time. It calls again
   * some time after the hub has refused to tell who is still to answer. Before each part, and
   * whenever it is woken, it calls ready, and gives none where that is false.
   */
  async *each(again, ready = () => true) {
    let pause = FIRST_PAUSE;
    let cancel = null;
    try {
      yield* this.#parts(() => {
        if (cancel) {
          return;
        }
        cancel = later(pause, () => {
          cancel = null;
          again();
        });
        pause *= 2;
      }, ready);
    } finally {
      cancel?.();
    }
  }
  async *#parts(refused, ready) {
    for (; ; ) {
      while (ready() && this.#waiting.length > 0) {
        const part = this.#waiting.shift();
        this.#bytes -= part.message?.size ?? 0;
        yield part.message?.expired ? { from: part.from, message: null, error: new GapError(1) } : part;
      }
      if (this.#complete) {
        return;
      }
      if (this.#refused) {
        this.#refused = false;
        refused();
      }
      await new Promise((resolve) => {
        this.#changed = resolve;
      });
    }
  }
};

// src/late.js
function endOf(left) {
  return left === void 0 ? 0 : Date.now() + left;
}
function isOver(end) {
  return end !== 0 && Date.now() >= end;
}
function leftOf(end) {
  return Math.max(end - Date.now(), 1);
}
function whenOver(end, callback) {
  return end === 0 ? () => {
  } : later(leftOf(end), () => callback());
}
function tooLate({ written }) {
  const error = new RefusedError(Code.TOO_LATE, "the time of the message was over before the hub had taken it");
  return written ? new UnknownOutcomeError(error) : error;
}

// src/gathering.js
var MAX_NEWCOMERS = 128;
var FIRST_PAUSE2 = 1e3;
var Gathering = class {
  /** The inquiry of those who are asked at first. Its answers take in those of newcomers too. */
  main = null;
  #tellAsked;
  #newcomers;
  // send asks one newcomer: send(name, options).
  #send;
  // It is known who was asked at first. early are those who have answered before that.
  #begun = false;
  #early = [];
  #over = false;
  // The numbers of the memberships that were asked, or are about to be, by their names.
  #asked = /* @__PURE__ */ new Map();
  // Those who were asked, and the application was not told. due: it is to be told.
  #untold = [];
  #due = false;
  #toAsk = [];
  // The inquiries of newcomers that were sent and are not answered, and what aborts them.
  #open = /* @__PURE__ */ new Map();
  #pause = FIRST_PAUSE2;
  #cancelPause = null;
  #cancelEnd = () => {
  };
  /**
   * @param {{asked?: (usernames: string[]) => void, newcomers: boolean}} how
   * @param {(inquiry: object, signal: AbortSignal) => Promise<object>} send asks the one that the inquiry is of
   * @param {(of: string) => object} make makes the inquiry of one newcomer
   */
  constructor({ asked, newcomers }, send, make) {
    this.#tellAsked = asked;
    this.#newcomers = newcomers;
    this.#send = send;
    this.make = make;
  }
  /** Whether it asks newcomers, so that it does not end by itself. */
  get goesOn() {
    return this.#newcomers && !this.#over;
  }
  /** all are the inquiries that are of it. */
  get all() {
    return [this.main, ...this.#open.keys()];
  }
  /** answered is told who has answered before it was known who was asked. */
  answered(name) {
    this.#early.push(name);
  }
  /** begin is told that it is known whose answers are awaited. present are all slaves that there are. */
  begin(present) {
    this.#begun = true;
    this.#due = true;
    this.#asked = new Map(this.main.awaited);
    this.#early.forEach((name) => this.#asked.set(name, present.get(name) ?? 0));
    this.#untold = [...this.#asked.keys()].sort();
    for (const name of [...present.keys()].sort()) {
      this.#meet(name, present.get(name));
    }
    if (this.#newcomers && !this.#over) {
      this.#awaitEnd();
    }
    this.main.answers.wake();
  }
  #awaitEnd() {
    this.endIfOver();
    if (!isOver(this.main.end)) {
      this.#cancelEnd = whenOver(this.main.end, () => this.#awaitEnd());
    }
  }
  /** endIfOver ends it when its time is over and nobody who was asked is awaited any more. */
  endIfOver() {
    const { main } = this;
    if (this.#newcomers && this.#begun && isOver(main.end) && main.awaited.size + this.#open.size === 0) {
      this.#toAsk = [];
      main.answers.finish();
    }
  }
  #meet(name, number) {
    const known3 = this.#asked.get(name);
    if (!this.#newcomers || this.#over || known3 !== void 0 && (known3 === number || known3 === 0 || number === 0)) {
      return;
    }
    this.#asked.set(name, number);
    if (!this.#toAsk.includes(name)) {
      this.#toAsk.push(name);
    }
    this.#askMore();
  }
  /** slave is told each change of a slave. */
  slave({ username, state }, number) {
    if (!this.#begun) {
      return;
    }
    if (state !== "gone") {
      this.#meet(username, number);
      return;
    }
    const known3 = this.#asked.get(username);
    if (known3 !== void 0 && (known3 === number || known3 === 0 || number === 0)) {
      this.#asked.delete(username);
      this.#toAsk = this.#toAsk.filter((name) => name !== username);
    }
  }
  #askMore() {
    if (isOver(this.main.end)) {
      this.#toAsk = [];
    }
    while (!this.#over && !this.#cancelPause && this.#toAsk.length > 0 && this.#open.size < MAX_NEWCOMERS) {
      const inquiry = this.make(this.#toAsk.shift());
      const controller = new AbortController();
      this.#open.set(inquiry, controller);
      this.#send(inquiry, controller.signal).catch((error) => this.#refused(inquiry, error));
    }
  }
  /** accepted is told that the hub has the question to a newcomer. */
  accepted(inquiry) {
    this.#tell(inquiry.of);
  }
  #tell(name) {
    this.#untold.push(name);
    this.#due = true;
    this.main.answers.wake();
  }
  #refused(inquiry, error) {
    this.#open.delete(inquiry);
    const name = inquiry.of;
    if (this.#over) {
      return;
    }
    if (passes(error)) {
      if (this.#asked.has(name) && !this.#toAsk.includes(name)) {
        this.#toAsk.push(name);
      }
      if (!this.#cancelPause) {
        this.#cancelPause = later(this.#pause, () => {
          this.#cancelPause = null;
          this.#askMore();
        });
        this.#pause *= 2;
      }
    } else if (error?.code !== Code.NO_SUCH_SLAVE) {
      this.#tell(name);
      inquiry.part(name, null, error);
      this.#askMore();
    }
    this.endIfOver();
  }
  /** closed is told that the inquiry of a newcomer is over. */
  closed(inquiry) {
    this.#open.delete(inquiry);
    this.#askMore();
    this.endIfOver();
  }
  /** tell tells the application whom it asks, where that is due, and reports whether it is known. */
  tell() {
    if (this.#due) {
      this.#due = false;
      this.#tellAsked?.(this.#untold.splice(0).sort());
    }
    return this.#begun || this.#over;
  }
  /** abandon ends the parts that are left. */
  abandon(why) {
    if (this.#over) {
      return;
    }
    const awaited = new Map(this.all.flatMap((inquiry) => [...inquiry.awaited.keys()].map((name) => [name, inquiry])));
    this.end();
    for (const name of [...awaited.keys()].sort()) {
      awaited.get(name).part(name, null, why);
    }
    this.main.abandon(why);
  }
  /** end is told that nobody takes any more. What was not accepted yet is withdrawn when it is. */
  end() {
    this.#over = true;
    this.#cancelPause?.();
    this.#cancelEnd();
    this.#open.forEach((controller) => controller.abort());
  }
};

// src/inquiries.js
var Inquiry = class {
  // The request's number, zero until the hub has accepted it.
  seq = 0;
  // Those who are to answer: the numbers of their memberships, by their names. A number is
  // zero where it is not known.
  awaited = /* @__PURE__ */ new Map();
  // Unknown: they are not known yet, because the hub accepted the request on a
  // connection that was lost before it told so.
  unknown = false;
  // Those that the hub has told of so far who are to answer, while it tells them in pages.
  listed = /* @__PURE__ */ new Map();
  // The ref of the question who is still to answer, while it is under way.
  verifying = 0;
  // Messages were lost since that was asked, so that it must be asked again.
  stale = false;
  // The hub has refused for now to tell who is still to answer.
  refused = false;
  // Messages were lost while the request was open.
  gap = false;
  // When its message expires, and with it the request, or zero. At the hub that is a little later.
  end = 0;
  /**
   * @param {string} of the one member that is asked; empty: every slave there is
   * @param {number} limit in bytes, of the answers that wait
   * @param {Gathering} [group] what it is of, where that tells whom it asks
   */
  constructor(of, limit, group) {
    this.of = of;
    this.group = group;
    this.answers = group?.main?.answers ?? new AnswerQueue(limit);
  }
  /** Whether it is of one who has joined while a gathering goes on. */
  get newcomers() {
    return this.group !== void 0 && this.group.main !== this;
  }
  /** part ends the part of one who was asked. */
  part(from, message, error) {
    this.awaited.delete(from);
    this.listed.delete(from);
    if (this.unknown) {
      this.group?.answered(from);
    }
    this.answers.add({ from, message, error });
  }
  answeredBy({ from, message = null, error = null }) {
    if (this.unknown || this.awaited.has(from)) {
      this.part(from, message, error);
    }
  }
  /**
   * awaits tells whether it waits for the slave that has left, and not for another one that
   * has its name now. Where that is not known yet, the hub is being asked, and decides.
   */
  awaits(name, number) {
    const awaited = this.awaited.get(name);
    if (awaited === 0) {
      return this.verifying === 0;
    }
    return awaited !== void 0 && (number === 0 || number === awaited);
  }
  /** lists takes a page of those who are to answer, and returns the highest of their numbers. */
  lists({ members = [] }) {
    members.forEach(({ username, number = 0 }) => this.listed.set(username, number));
    return Math.max(0, ...members.map(({ number = 0 }) => number));
  }
  /** abandon ends the parts that are left. */
  abandon(why) {
    for (const name of [...this.awaited.keys()].sort()) {
      this.part(name, null, why);
    }
    if (this.unknown) {
      this.answers.add({ from: "", message: null, error: why });
    }
    this.answers.finish();
  }
};
var hasLeft = (name, reason) => new RefusedError(
  Code.NO_SUCH_SLAVE,
  reason ? `${name} has left: ${reason}` : `${name} has left`
);
var notInTime = (name) => new RefusedError(Code.TOO_LATE, `${name} has not answered in time`);
var Inquiries = class {
  #membership;
  #limit;
  #open = /* @__PURE__ */ new Map();
  #gatherings = /* @__PURE__ */ new Set();
  // Answers that have come before their request's number.
  #early = [];
  constructor(membership, limit) {
    this.#membership = membership;
    this.#limit = limit;
  }
  /** begin sends a request, and returns the inquiry once the hub has accepted it. */
  async begin(frame, payload, of, signal) {
    const inquiry = new Inquiry(of, this.#limit);
    inquiry.end = endOf(frame.expires_ms);
    await this.#membership.send({ ...frame, asks: true }, payload, { signal, asks: inquiry });
    return inquiry;
  }
  /** gather asks every slave, as begin does, and tells whom. */
  async gather(fields, value, { asked, newcomers }, signal) {
    if (asked === void 0 && !newcomers) {
      return this.begin(fields, value, "", signal);
    }
    const frame = { ...fields, asks: true, payload: this.#membership.payloadOf(value) };
    const group = new Gathering(
      { asked, newcomers },
      (inquiry, stop) => this.#membership.deliver(
        { ...frame, to: inquiry.of, ...inquiry.end && { expires_ms: leftOf(inquiry.end) } },
        { signal: stop, asks: inquiry }
      ),
      (of) => Object.assign(new Inquiry(of, this.#limit, group), { end: group.main.end })
    );
    group.main = new Inquiry("", this.#limit, group);
    group.main.end = endOf(fields.expires_ms);
    await this.#membership.deliver(frame, { signal, asks: group.main });
    return group.main;
  }
  /** slave is told each change of a slave. */
  slave(change, number) {
    this.#gatherings.forEach((group) => group.slave(change, number));
  }
  /** ask sends a request to one member and waits for its answer. */
  async ask(frame, payload, of, signal) {
    const inquiry = await this.begin(frame, payload, of, signal);
    for await (const { message, error } of this.partsOf(inquiry, signal)) {
      if (message === null) {
        throw error;
      }
      return message;
    }
    throw hasLeft(of);
  }
  /**
   * partsOf yields each part of an inquiry as it ends. When the signal is
   * aborted it ends the parts that are left; whoever does not take them all
   * withdraws the request.
   */
  async *partsOf(inquiry, signal) {
    const { group } = inquiry;
    const abort = () => {
      this.#giveUp(inquiry);
      (group ?? inquiry).abandon(signal.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) {
      abort();
    }
    try {
      yield* inquiry.answers.each(() => this.#verifyAgain(inquiry), () => group?.tell() ?? true);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#giveUp(inquiry);
      group?.end();
    }
  }
  /** accepted is told that the hub has numbered the request. Those who are there now are those asked. */
  accepted(inquiry, seq, repeated, abandoned) {
    inquiry.seq = seq;
    if (abandoned) {
      this.#withdraw(seq);
      return;
    }
    if (this.#membership.role === "slave") {
      inquiry.of = this.#membership.master.username;
    }
    this.#open.set(seq, inquiry);
    inquiry.unknown = (repeated || this.#membership.counted) && inquiry.of === "";
    if (inquiry.of !== "") {
      inquiry.awaited.set(inquiry.of, repeated ? 0 : this.#membership.roster.present(inquiry.of).get(inquiry.of) ?? 0);
    } else if (!inquiry.unknown) {
      inquiry.awaited = this.#membership.roster.present();
    }
    if (inquiry.newcomers) {
      inquiry.group.accepted(inquiry);
    } else if (!inquiry.unknown) {
      this.#begins(inquiry);
    }
    for (const answer of this.#early) {
      if (answer.replyTo === seq) {
        this.#answered(inquiry, answer);
      }
    }
    if (repeated || inquiry.unknown) {
      this.#verify(inquiry);
    }
    this.#closeIfAnswered(inquiry);
  }
  /** settled is told that a request was answered by the hub. */
  settled() {
    if (!this.#hasUnnumbered()) {
      this.#early = [];
    }
  }
  /** verifyAll asks the hub, for every open request, who is still to answer. */
  verifyAll() {
    for (const seq of this.#numbers()) {
      this.#verify(this.#open.get(seq));
    }
  }
  /** verified takes the hub's word on who is still to answer, and reports whether the frame is that. */
  verified(frame) {
    for (const inquiry of this.#open.values()) {
      if (inquiry.verifying !== frame.ref) {
        continue;
      }
      inquiry.verifying = 0;
      const last = frame.type === "awaiting" ? inquiry.lists(frame) : 0;
      if (frame.more) {
        this.#verifyFrom(inquiry, last);
        return true;
      }
      if (passes(refusalIn(frame))) {
        inquiry.refused = true;
        inquiry.answers.refuse();
        return true;
      }
      if (frame.type === "awaiting") {
        this.#compare(inquiry, inquiry.listed);
        inquiry.listed = /* @__PURE__ */ new Map();
      } else if (inquiry.unknown) {
        inquiry.answers.add({ from: "", message: null, error: refusalIn(frame) });
      }
      const unknown = inquiry.unknown;
      inquiry.unknown = false;
      if (unknown) {
        this.#begins(inquiry);
      }
      this.#closeIfAnswered(inquiry);
      if (inquiry.stale && this.#isOpen(inquiry)) {
        this.#verify(inquiry);
      }
      return true;
    }
    return false;
  }
  /**
   * reply takes in what answers the request replyTo: a message, or the error where it says no. What
   * nobody waits for is dropped.
   */
  reply(answer) {
    const inquiry = this.#open.get(answer.replyTo);
    if (inquiry) {
      this.#answered(inquiry, answer);
      this.#closeIfAnswered(inquiry);
    } else if (this.#hasUnnumbered()) {
      this.#early.push(answer);
    }
  }
  // Whoever was the master when it answered a slave has answered for the one who is.
  #answered(inquiry, answer) {
    inquiry.answeredBy(this.#membership.role === "slave" ? { ...answer, from: inquiry.of } : answer);
  }
  /** masterIs is told that a slave's master has another name from now on: what was asked of the one before is the new one's. */
  masterIs(name) {
    for (const inquiry of this.#open.values()) {
      const { of, awaited } = inquiry;
      inquiry.of = name;
      if (awaited.has(of)) {
        awaited.set(name, awaited.get(of));
        awaited.delete(of);
      }
    }
  }
  /** over is told that the time of a request is over. Those who are listed have answered in time. */
  over({ request, code, members = [] }) {
    const inquiry = this.#open.get(request);
    if (!inquiry || inquiry.unknown || code !== Code.TOO_LATE) {
      return;
    }
    for (const name of [...inquiry.awaited.keys()].sort()) {
      if (!members.some(({ username }) => username === name)) {
        inquiry.part(name, null, notInTime(name));
      }
    }
    this.#closeIfAnswered(inquiry);
  }
  /** departs ends the parts of a slave that has left. number is that of its membership, or zero. */
  departs(name, number, reason) {
    for (const inquiry of [...this.#open.values()]) {
      if (number === 0 || inquiry.listed.get(name) === number) {
        inquiry.listed.delete(name);
      }
      if (inquiry.awaits(name, number)) {
        inquiry.part(name, null, hasLeft(name, reason));
        this.#closeIfAnswered(inquiry);
      }
    }
  }
  /** lost is told of a gap, in which answers may have been. */
  lost() {
    for (const seq of this.#numbers()) {
      const inquiry = this.#open.get(seq);
      inquiry.gap = true;
      if (inquiry.verifying > 0) {
        inquiry.stale = true;
      } else {
        this.#verify(inquiry);
      }
    }
    for (const { asks, written } of this.#membership.pending) {
      if (asks && written) {
        asks.gap = true;
      }
    }
  }
  /** end is told that the membership is over. */
  end(why) {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { group } of open) {
      group?.abandon(why);
    }
    this.#gatherings.forEach((group) => group.abandon(why));
    this.#gatherings.clear();
    for (const inquiry of open.filter(({ group }) => !group)) {
      inquiry.abandon(why);
    }
  }
  // It is known who was asked.
  #begins({ group }) {
    if (group) {
      this.#gatherings.add(group);
      group.begin(this.#membership.roster.present());
    }
  }
  #numbers() {
    return [...this.#open.keys()].sort((a, b) => a - b);
  }
  #isOpen(inquiry) {
    return this.#open.get(inquiry.seq) === inquiry;
  }
  // Once more, unless that is under way, or will be done on the next connection.
  #verifyAgain(inquiry) {
    for (const each of inquiry.group?.all ?? [inquiry]) {
      if (this.#isOpen(each) && this.#membership.attached && each.verifying === 0 && each.refused) {
        this.#verify(each);
      }
    }
  }
  // Its answer is behind every answer that the hub has sent before.
  #verify(inquiry) {
    inquiry.stale = false;
    inquiry.listed = /* @__PURE__ */ new Map();
    this.#verifyFrom(inquiry, 0);
  }
  // A slave asks for one member, whose number is not told.
  #verifyFrom(inquiry, after2) {
    const { session, channel, confirming, role } = this.#membership;
    inquiry.verifying = session.nextRef();
    inquiry.refused = false;
    const page = role === "master" ? { after: after2, limit: MAX_PAGE } : {};
    this.#membership.push(confirming.along({ type: "awaiting", ref: inquiry.verifying, channel, request: inquiry.seq, ...page }));
  }
  #compare(inquiry, listed2) {
    for (const name of [...inquiry.awaited.keys()].sort()) {
      if (!listed2.has(name)) {
        inquiry.part(name, null, this.#unheard(inquiry, name));
      }
    }
    inquiry.awaited = listed2;
  }
  // Why one that is not awaited any more was not heard.
  #unheard(inquiry, name) {
    if (!inquiry.gap && isOver(inquiry.end)) {
      return notInTime(name);
    }
    return inquiry.gap || this.#membership.role === "slave" ? new GapError(1) : hasLeft(name);
  }
  #closeIfAnswered(inquiry) {
    if (inquiry.awaited.size === 0 && !inquiry.unknown) {
      this.#open.delete(inquiry.seq);
      if (inquiry.newcomers) {
        inquiry.group.closed(inquiry);
      } else if (inquiry.group?.goesOn) {
        inquiry.group.endIfOver();
      } else {
        inquiry.answers.finish();
      }
    }
  }
  // The hub has not answered the message of a request yet: answers to it may come before its number is known, where
  // the message was sent again, and where the channel moves to another hub.
  #hasUnnumbered() {
    return this.#membership.pending.some((request) => request.asks);
  }
  #giveUp(inquiry) {
    this.#gatherings.delete(inquiry.group);
    for (const each of inquiry.group?.all ?? [inquiry]) {
      if (this.#isOpen(each)) {
        this.#open.delete(each.seq);
        this.#withdraw(each.seq);
      }
    }
  }
  // Over as many connections as it takes, and outside of the window, since the hub
  // remembers no answer of it. There are no more of these than open inquiries.
  #withdraw(seq) {
    const frame = { type: "withdraw", channel: this.#membership.channel, request: seq };
    this.#membership.enqueue({ frame, outside: true, settle: () => {
    } });
  }
};

// src/message.js
var Message = class extends Content {
  #handle;
  /** handle is the one that it has come to, and by which it is answered. */
  constructor(frame, handle) {
    super(frame.payload);
    this.type = "message";
    this.from = frame.from;
    this.seq = frame.seq;
    this.private = frame.private ?? false;
    this.requestId = frame.request ?? 0;
    this.replyTo = frame.reply ?? 0;
    this.topic = frame.topic ?? "";
    this.expires = frame.expires_ms === void 0 ? null : after(frame.expires_ms);
    this.#handle = handle;
  }
  /** expired reports whether it is worth nothing any more. */
  get expired() {
    return this.expires !== null && Date.now() >= this.expires.getTime();
  }
  /** reply answers a message that asks, and returns the answer's receipt. */
  reply(payload, options) {
    return this.#handle.reply(this, payload, options);
  }
  /** decline says no to a message that asks, in the place of an answer. */
  decline(code, text, options) {
    return this.#handle.decline(this, code, text, options);
  }
};

// src/questions.js
var OVERHEAD = 64;
var sizeOf3 = ({ size }) => OVERHEAD + size;
var Questions = class {
  #bound;
  #open = [];
  #bytes = 0;
  // What was last read of it. Stores of frameworks take another object for a change.
  #read = Object.freeze([]);
  /** @param {{messages: number, bytes: number}} bound */
  constructor(bound) {
    this.#bound = bound;
  }
  /** add adds a message that asks, unless it is there. */
  add(message) {
    const later2 = this.#open.findIndex(({ seq }) => seq >= message.seq);
    if (this.#open[later2]?.seq === message.seq) {
      return;
    }
    this.#open.splice(later2 < 0 ? this.#open.length : later2, 0, message);
    this.#bytes += sizeOf3(message);
    while (this.#open.length > this.#bound.messages || this.#open.length > 1 && this.#bytes > this.#bound.bytes) {
      this.#bytes -= sizeOf3(this.#open.shift());
    }
  }
  /** remove removes the question of that number, if it is there. */
  remove(number) {
    this.#keep(({ seq }) => seq !== number);
  }
  /** removeFrom removes those of a member that has left, up to the number. */
  removeFrom(name, last) {
    this.#keep(({ from, seq }) => from !== name || seq > last);
  }
  /** clear is for the end of the membership. */
  clear() {
    this.#keep(() => false);
  }
  #keep(fits) {
    const kept = this.#open.filter(fits);
    if (kept.length < this.#open.length) {
      this.#open = kept;
      this.#bytes = kept.reduce((sum, message) => sum + sizeOf3(message), 0);
    }
  }
  /**
   * taken are those that have not expired and do not wait in the inbox, where waiting is the number of the first
   * message that does.
   */
  taken(waiting) {
    const now = this.#open.filter(({ seq, expired }) => seq < waiting && !expired);
    if (now.length !== this.#read.length || now.some((each, index) => each !== this.#read[index])) {
      this.#read = Object.freeze(now);
    }
    return this.#read;
  }
};

// src/roster.js
var byName = (a, b) => a.username < b.username ? -1 : 1;
var Roster = class {
  #told;
  #slaves = /* @__PURE__ */ new Map();
  // What was last read. Stores of frameworks take another object for a change.
  #members = null;
  // What was last counted, and of which.
  #counted = null;
  // The numbers of the slaves' memberships, by their names, as far as they were told.
  #numbers = /* @__PURE__ */ new Map();
  // Slaves that have left while the master was away, and those of them that have
  // joined again, to be told behind the messages up to number replayEnd. By their names, the changes of each.
  #departed = /* @__PURE__ */ new Map();
  #replayEnd = 0;
  // The names in the pages of a list that have come, or null where none is on its way.
  #listed = null;
  #resolveComing = () => {
  };
  /** Resolves when a list that is on its way has come, or its pages will not. Null: none is. */
  coming = null;
  /**
   * @param {(slave: object, number: number, heard: number) => void} told is told of each change, with the
   *   membership's number; of one that has left, heard is up to which number messages from its name were its own
   */
  constructor(told) {
    this.#told = told;
  }
  /** members are all slaves, by their names. */
  get members() {
    this.#members ??= Object.freeze([...this.#slaves.values()].sort(byName));
    return this.#members;
  }
  /** counts are how many there are in either state. */
  get counts() {
    if (this.#counted?.of !== this.members) {
      const away = this.members.filter(({ state }) => state === "away").length;
      this.#counted = { of: this.members, counts: Object.freeze({ online: this.members.length - away, away }) };
    }
    return this.#counted.counts;
  }
  /**
   * compare takes in a list. Those who came are told at once; those who went, and those who have
   * joined again since, are told behind the messages that are still to come from them, where last is
   * the newest one that has arrived. follows: who is not known has joined since the list before, or
   * since the channel was made. Where the list comes in pages, who went is known by the last one. forget is told of each whose membership is over: what comes behind the
   * list is of those who are there.
   */
  compare(frame, reason, last, follows, forget) {
    this.#departed.clear();
    if (!frame.after) {
      this.#listed = frame.more ? /* @__PURE__ */ new Set() : null;
    }
    const before = this.#slaves.size;
    let met = 0;
    const gone = (name, heard) => {
      forget(name);
      this.#departed.set(name, [{ slave: presence("slave", name, "gone", { reason }), number: this.#numbers.get(name), heard }]);
    };
    for (const { username, state, number = 0 } of frame.members) {
      const known3 = this.#numbers.get(username) ?? 0;
      const was = this.#slaves.get(username);
      met += was ? 1 : 0;
      this.#listed?.add(username);
      if (known3 && number && known3 !== number) {
        gone(username, last);
        this.#departed.get(username).push({ slave: presence("slave", username, state, { joined: true }), number });
      } else if (was?.state !== state) {
        this.change(presence("slave", username, state, { joined: !was && follows }), number);
      } else if (number && known3 !== number) {
        this.#numbers.set(username, number);
      }
    }
    if (!frame.more && (this.#listed || met < before)) {
      const listed2 = this.#listed ?? new Set(frame.members.map(({ username }) => username));
      [...this.#slaves.keys()].filter((name) => !listed2.has(name)).sort().forEach((name) => gone(name));
    }
    this.#replayEnd = frame.seq ?? 0;
    this.arrived(last);
    if (frame.more) {
      this.coming ??= new Promise((resolve) => {
        this.#resolveComing = resolve;
      });
    } else {
      this.settle();
    }
  }
  /** settle is told that nothing more comes of a list. */
  settle() {
    this.#listed = null;
    this.coming = null;
    this.#resolveComing();
  }
  /** arrived is told the number of the newest message that has arrived. */
  arrived(last) {
    if (last >= this.#replayEnd) {
      this.tellDeparted();
    }
  }
  /** tellDeparted tells what was put off; with a name, of that one alone. */
  tellDeparted(only) {
    for (const name of only === void 0 ? [...this.#departed.keys()] : [only]) {
      const changes = this.#departed.get(name) ?? [];
      this.#departed.delete(name);
      changes.forEach(({ slave, number, heard }) => this.change(slave, number, heard));
    }
  }
  /**
   * present returns those who are there, though the application may not have been told yet:
   * the numbers of their memberships by their names. With a name, it is of that one alone.
   */
  present(only) {
    const names2 = only === void 0 ? this.#slaves.keys() : [only];
    const numbers2 = new Map([...names2].map((name) => [name, this.#numbers.get(name) ?? 0]));
    const departed = only === void 0 ? [...this.#departed.values()] : [this.#departed.get(only) ?? []];
    for (const { slave: { username, state }, number = 0 } of departed.flat()) {
      if (state === "gone") {
        numbers2.delete(username);
      } else {
        numbers2.set(username, number);
      }
    }
    return numbers2;
  }
  /** change takes in how a slave is now. number is that of the membership. Without one it is the same as before. */
  change(slave, number = 0, heard = Infinity) {
    this.#members = null;
    const { username } = slave;
    if (slave.state === "gone") {
      const left = number || (this.#numbers.get(username) ?? 0);
      this.#slaves.delete(username);
      this.#numbers.delete(username);
      this.#told(slave, left, heard);
    } else {
      this.#slaves.set(username, slave);
      this.#listed?.add(username);
      if (number) {
        this.#numbers.set(username, number);
      }
      this.#told(slave, this.#numbers.get(username) ?? 0);
    }
  }
};

// src/voice.js
var Voice = class {
  muted = false;
  #told;
  /** @param {(entry: object, event: Event) => void} told is told of each change of which the application hears */
  constructor(told) {
    this.#told = told;
  }
  /** becomes notes what the hub has said. quietly: the application knows, or is about to look. */
  becomes(muted, quietly = false) {
    if (muted === this.muted) {
      return;
    }
    this.muted = muted;
    if (!quietly) {
      this.#told(Object.freeze({ type: "muted", on: muted }), new MutedEvent(muted));
    }
  }
};

// src/window.js
var SendWindow = class {
  #free;
  #waiting = [];
  constructor(size) {
    this.#free = size;
  }
  /** enter calls start at once, or when there is a place. */
  enter(request, start) {
    if (this.#free > 0) {
      this.#free--;
      start(request);
    } else {
      this.#waiting.push({ request, start });
    }
  }
  /** leave gives a place back, to whoever has waited longest. */
  leave() {
    const next = this.#waiting.shift();
    if (next) {
      next.start(next.request);
    } else {
      this.#free++;
    }
  }
  /** forget takes a request out of those that wait, and reports whether it was there. */
  forget(request) {
    const index = this.#waiting.findIndex((waiting) => waiting.request === request);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
    }
    return index >= 0;
  }
  /** clear returns the requests that wait, and forgets them. */
  clear() {
    return this.#waiting.splice(0).map((waiting) => waiting.request);
  }
};

// src/membership.js
var ANSWERS = { master: 256, slave: 32 };
var Membership = class {
  username = "";
  secret = "";
  // That of the ticket: it counts the connections of the membership.
  epoch = 0;
  // What the service was shown last. ownToken: the application has given it for this
  // membership, and it is shown again at each resume.
  token = void 0;
  ownToken = false;
  // X: how long the master may be away, in milliseconds.
  timeout = 0;
  // Why it is over, or null.
  error = null;
  // The connection that holds the membership, or null. Requests are written on it, and
  // wait otherwise.
  line = null;
  // The connection on which it is being resumed, or null; and the one that has refused it, so that it
  // stays where it is.
  bound = null;
  refusedOn = null;
  // The ref of the resume that is under way, or zero, and that of a switch or hand-over that is repeated before.
  resuming = 0;
  repeating = 0;
  // The hub is told at once, by a frame, that this client has the membership: where another
  // one may have the same ticket, or where there are two secrets. Else the first frame that
  // there is to send tells it.
  announced = false;
  // The membership that this one has become by a hand-over, or null.
  next = null;
  // The hub may not know yet that this client knows what it is since a hand-over: frames show the epoch.
  shows = false;
  // The create that has made it was written more than once: slaves may have joined before its answer.
  remade = false;
  // The attributes of the create or join that has made it, or undefined.
  enteredWith = void 0;
  // It is being left on purpose.
  leaving = false;
  // The requests without an answer, in the order of their refs.
  pending = [];
  // The number of the newest message that has arrived, and that was taken.
  last = 0;
  taken = 0;
  // The number of the newest message that this client got when it had this role before, and that of those in the
  // other role.
  had = 0;
  hadOther = 0;
  // The connection was lost, and the membership is not back yet.
  lost = false;
  // The hub of the connection takes on nothing new: what is asked for waits for the next one.
  held = false;
  // The addresses whose hubs do not have it, since it was last on one.
  lostBy = /* @__PURE__ */ new Set();
  // What a slave knows of its master.
  master = null;
  // What the join or switch waits for that makes it.
  waiting = new Waiting();
  // Resolves when it has all that it is asked again, over any number of connections, or is over. Null: nothing is
  // asked again.
  asked = null;
  // What was last read of it. Stores of frameworks take another object for a change.
  #ticket = null;
  #cancelLifeline = () => {
  };
  // The hub is about to tell that the master is away, which is known.
  #knownAway = false;
  #resolveClosed;
  #resolveAsked;
  constructor(session, role, channel) {
    this.session = session;
    this.role = role;
    this.channel = channel;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.announced = role === "master";
    this.confirming = new Confirming(this);
    this.window = new SendWindow(ANSWERS[role]);
    this.roster = new Roster((slave, number, heard) => this.#slaveChanged(slave, number, heard));
    this.attributes = new Attributes((attribute) => {
      this.inbox.add(attribute);
      this.#fire(new AttributeEvent(attribute));
    });
    this.voice = new Voice((entry, event) => {
      this.inbox.add(entry);
      this.#fire(event);
    });
    this.counts = new Counts((entry, event) => {
      this.inbox.add(entry);
      this.#fire(event);
    });
    this.door = new Door((entry, event) => {
      this.inbox.add(entry);
      this.#fire(event);
    });
    this.inquiries = new Inquiries(this, session.options.inbox.bytes);
    this.questions = new Questions(session.options.inbox);
    this.inbox = new Inbox(session.options.inbox, (entry, dropped, number) => this.#took(entry, dropped, number));
  }
  get state() {
    if (this.error) {
      return "closed";
    }
    return this.lost ? "reconnecting" : "online";
  }
  /** counted: this is a master that is told no more of its slaves than how many they are. */
  get counted() {
    return this.role === "master" && this.session.options.countSlaves;
  }
  /** page asks for the slaves that have joined behind the membership of that number, a page of them. */
  async page(after2, signal) {
    const { members, more } = await this.perform({ type: "members", channel: this.channel, after: after2, limit: MAX_PAGE }, { signal });
    return { members: members.sort((a, b) => a.number - b.number), more };
  }
  /** openRequests are the messages that ask and were not answered, but for those that wait in the inbox. */
  get openRequests() {
    return this.questions.taken(this.inbox.firstWaiting);
  }
  get attached() {
    return this.line !== null;
  }
  /** push writes a frame to the connection that holds the membership, if there is one. */
  push(frame) {
    this.line?.send(frame);
  }
  get ticket() {
    const { role, channel, username, secret: resume, epoch, taken: last } = this;
    const known3 = this.#ticket;
    if (known3?.last !== last || known3.resume !== resume || known3.epoch !== epoch) {
      this.#ticket = Object.freeze({ channel, username, role, resume, epoch, last });
    }
    return this.#ticket;
  }
  /**
   * perform sends a request and waits for its answer, over as many connections as
   * it takes. Requests are sent in the order of the calls.
   */
  perform(frame, { signal, enters, asks } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted || this.error || this.session.detaching) {
        reject(this.error ?? this.session.detaching ?? signal.reason);
        return;
      }
      const request = {
        frame,
        enters,
        asks,
        written: false,
        repeated: false,
        abandoned: false,
        slow: 0,
        tried: false,
        tries: 0,
        end: endOf(frame.expires_ms)
      };
      const stop = whenOver(request.end, () => this.#late(request));
      const abort = () => {
        stop();
        this.#abandon(request);
        reject(signal.reason);
      };
      request.settle = (answer, error) => {
        stop();
        signal?.removeEventListener("abort", abort);
        if (error) {
          reject(error);
        } else {
          resolve(answer);
        }
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.window.enter(request, () => this.enqueue(request));
    });
  }
  /** send sends a payload and returns its receipt. */
  async send(frame, value, { signal, asks } = {}) {
    return this.deliver({ ...frame, payload: this.payloadOf(value) }, { signal, asks });
  }
  /** payloadOf is what is sent for a value. */
  payloadOf(value) {
    return payloadOf(value, this.session.options.maxMessageBytes);
  }
  /** decline says no in the place of an answer. */
  async decline({ from, requestId: reply }, code, message, signal) {
    const to = this.role === "master" ? { to: from } : {};
    return this.deliver({ ...to, reply, failed: failureOf(code, message) }, { signal });
  }
  /** deliver sends what has a payload, or says no, and returns its receipt. */
  async deliver(frame, options) {
    const answer = await this.perform({ ...frame, type: "send", channel: this.channel }, options);
    return Object.freeze({ seq: answer.seq ?? 0, slaves: answer.slaves ?? 0 });
  }
  /** set sets an attribute, or deletes it where there is no payload. */
  async set(key, payload, signal) {
    if (payload) {
      checkFits(this.role, { key, payload });
    }
    await this.perform({ type: "set", channel: this.channel, key, payload }, { signal });
  }
  /** operate is an operation that is answered by a mere acknowledgement. */
  async operate(frame, signal) {
    await this.perform({ ...frame, channel: this.channel }, { signal });
  }
  /** leave tells the hub within the client's closeTimeout, and ends it in any case. */
  async leave() {
    this.leaving = true;
    this.session.undo(this.channel, this.closed);
    const controller = new AbortController();
    const cancel = later(this.session.options.closeTimeout, () => controller.abort());
    try {
      await this.perform({ type: "leave", channel: this.channel }, { signal: controller.signal });
    } catch (error) {
      if (error.code === Code.ROLE_CHANGED && !this.next) {
        const late = new Promise((resolve) => {
          controller.signal.addEventListener("abort", resolve, { once: true });
        });
        await Promise.race([this.closed, late]);
      }
      if (this.next) {
        throw error;
      }
    } finally {
      cancel();
    }
    this.end(new ClosedError(Code.LEFT));
  }
  /** handOver makes a slave the master, and returns the handle of the slave that this one is then, or null. */
  async handOver(to, stay, signal) {
    await this.perform({ type: "hand_over", channel: this.channel, to, stay }, { signal });
    return stay ? this.next?.handle ?? null : null;
  }
  /**
   * becomes is told by the connection that the member has another role from now on. What has no answer ends: the hub
   * has refused it, or will. It returns whether there is somebody who wants the next membership.
   */
  becomes(next, connection) {
    const handing = this.pending.find(({ frame }) => frame.type === "hand_over" && (!this.repeating || frame.ref === this.repeating));
    this.next = next;
    next.had = this.hadOther;
    next.hadOther = Math.max(this.had, this.last);
    this.leaving = false;
    const refusal = new RefusedError(Code.ROLE_CHANGED, "the mastership was handed over while it was on its way");
    for (const request of this.window.clear()) {
      request.settle(void 0, refusal);
    }
    if (handing && next.role === "slave") {
      this.#remove(handing);
      handing.settle({ type: "ack" });
    }
    for (const request of [...this.pending]) {
      const unknown = request.written && (request.repeated || this.line !== connection);
      this.fail(request, unknown ? new UnknownOutcomeError(refusal) : refusal);
    }
    if (next.role === "master") {
      this.inbox.add(Object.freeze({ type: "promoted", master: next.handle }));
      this.#fire(new PromotedEvent(next.handle));
      return true;
    }
    return Boolean(handing && !handing.abandoned);
  }
  /**
   * enqueue makes a request the next one that is sent. It has a place in the
   * window, or is outside of it.
   */
  enqueue(request) {
    request.frame.ref = this.session.nextRef();
    this.pending.push(request);
    if (this.attached && (!this.held || request.frame.type === "leave")) {
      this.#write(request);
    }
  }
  #write(request, connection = this.line) {
    request.repeated = Boolean(request.repeated || request.written);
    if (request.enters && request.place) {
      request.frame.ref = this.session.nextRef();
    }
    if (request.repeated && request.frame.type === "hand_over") {
      const { username, secret, token, session: { instance } } = this;
      Object.assign(request.frame, { username, secret, instance, token: request.frame.stay ? token : void 0 });
    }
    request.written = true;
    if (request.end > 0) {
      request.frame.expires_ms = Math.min(leftOf(request.end), request.frame.expires_ms);
    }
    request.place = this.session.nextWrite();
    request.tried = true;
    connection.send(connection === this.line ? this.confirming.along(request.frame) : request.frame);
  }
  /** switching is a switch that was written and has no answer, or undefined. */
  get switching() {
    return this.pending.find(({ enters, written }) => enters && written);
  }
  /** handing is a hand-over that was written and has no answer, or undefined. */
  get handing() {
    return this.pending.find(({ frame, written }) => frame.type === "hand_over" && written);
  }
  /** undecided is what of the two there is: a membership is over by it, and another one begins. */
  get undecided() {
    return this.role === "master" ? this.handing : this.switching;
  }
  /**
   * repeatFirst sends a switch or a hand-over once more that was written on an earlier connection, and reports
   * whether there is one. It comes before a resume: where the hub has carried it out, there is
   * nothing to resume.
   */
  repeatFirst(connection) {
    const { undecided } = this;
    if (undecided) {
      this.#repeat(undecided, connection);
    }
    return Boolean(undecided);
  }
  /**
   * handsOverAgain is repeatFirst behind a resume that was refused: the hub may have read the hand-over late from the
   * connection that was lost, or it was another one that it has carried out. Each is tried once.
   */
  handsOverAgain(connection) {
    const request = this.pending.find(({ frame, written, again }) => frame.type === "hand_over" && written && !again);
    if (request) {
      request.again = true;
      this.bind(connection);
      this.#repeat(request, connection);
    }
    return Boolean(request);
  }
  #repeat(request, connection) {
    this.bound = connection;
    this.#write(request, connection);
    this.repeating = request.frame.ref;
  }
  #remove(request) {
    const index = this.pending.indexOf(request);
    if (index >= 0) {
      this.pending.splice(index, 1);
      request.gone?.();
      if (!request.outside) {
        this.window.leave();
      }
      this.session.progress();
    }
  }
  /** giveUpSwitches ends the switches that are under way. What they may have entered is left. */
  giveUpSwitches(error) {
    for (const request of this.pending.filter(({ enters, abandoned }) => enters && !abandoned)) {
      this.#abandon(request);
      request.settle(void 0, error);
    }
  }
  // Nobody waits for the request any more. One that was written keeps its place
  // until it is answered or the connection is lost.
  #abandon(request) {
    request.abandoned = true;
    request.enters?.waiting.takeBack(() => this.session.nextRef());
    if (!this.window.forget(request) && !request.written) {
      this.#remove(request);
    } else if (request.enters && this.pending.includes(request)) {
      this.session.undo(request.enters.channel, new Promise((gone) => {
        request.gone = gone;
      }));
    }
  }
  // The time of a message is over. One that was written is still answered, unless its
  // connection is lost.
  #late(request) {
    if (this.window.forget(request)) {
      request.settle(void 0, tooLate(request));
    } else if (!request.written) {
      this.fail(request, tooLate(request));
    }
  }
  /** fail gives up a request that must not be sent again. */
  fail(request, error) {
    this.#remove(request);
    request.settle(void 0, error);
  }
  /** waits takes a waiting frame that is for a switch of this member, and reports whether it is. */
  waits(connection, frame) {
    const { switching } = this;
    if (switching?.frame.ref !== frame.ref) {
      return false;
    }
    switching.tries = 0;
    switching.enters.waiting.take(connection, frame);
    if (switching.abandoned) {
      switching.enters.waiting.takeBack(() => this.session.nextRef());
    }
    return true;
  }
  /** answer gives a frame to the request that it answers, and reports whether there is one. */
  answer(frame) {
    if (this.inquiries.verified(frame)) {
      return true;
    }
    const request = this.pending.find((each) => each.frame.ref === frame.ref);
    if (!request) {
      return false;
    }
    if (frame.code === Code.SHUTTING_DOWN) {
      this.#hold(request);
      return true;
    }
    this.#remove(request);
    this.shows &&= frame.type === "error";
    this.#answeredQuestion(request.frame, frame);
    let given2 = request.enters ? answerOf(frame) : frame;
    if (request.repeated && ["kick", "admit", "deny"].includes(request.frame.type) && frame.code === Code.NO_SUCH_SLAVE) {
      given2 = { type: "ack", ref: frame.ref };
    }
    if (request.enters && frame.type === "joined") {
      request.enters.announced = request.repeated;
      this.#switched(request, frame);
    }
    if (request.frame.type === "set" && frame.type === "ack") {
      this.attributes.set(this.username, request.frame, frame.seq);
    }
    if (request.frame.type === "mute" && request.frame.to === void 0 && frame.type === "ack") {
      this.voice.becomes(request.frame.on, true);
    }
    if (request.frame.type === "door" && frame.type === "ack") {
      this.door.mode = request.frame.door;
    }
    if (request.asks && frame.type === "ack") {
      this.inquiries.accepted(request.asks, frame.seq, request.repeated, request.abandoned);
    }
    if (request.asks) {
      this.inquiries.settled();
    }
    request.settle(given2, refusalIn(given2));
    if (request.frame.type === "hand_over" && frame.type === "ack") {
      this.end(new ClosedError(Code.HANDED_OVER, `${quoted(request.frame.to)} is the master now`));
    }
    return true;
  }
  // Whether the answer was accepted, or is not awaited any more, the question is not open.
  #answeredQuestion({ reply }, { type, code }) {
    if (reply && (type === "ack" || code === Code.NO_SUCH_REQUEST || code === Code.NO_SUCH_SLAVE)) {
      this.questions.remove(reply);
    }
  }
  // Nothing has happened: it is asked for again on the connection that follows. One that was written before
  // and has had no answer may still have been carried out then.
  #hold(request) {
    this.held = true;
    request.written = request.repeated;
    if (request.abandoned && !request.written) {
      this.#remove(request);
    } else if (!request.written && isOver(request.end)) {
      this.fail(request, tooLate(request));
    }
  }
  #switched(request, frame) {
    this.session.enter(request.enters, frame, this.line ?? this.bound);
    this.end(new ClosedError(Code.LEFT, "switched to another channel"));
    if (request.abandoned) {
      request.enters.push({ type: "leave", channel: request.enters.channel });
      request.enters.end(new ClosedError(Code.LEFT));
    }
  }
  /** bind is told that it is being resumed on the connection; where resuming is zero, that it will be. */
  bind(connection, resuming = 0) {
    this.bound = connection;
    this.resuming = resuming;
    this.repeating = 0;
  }
  /** attach is told that the connection holds the membership. */
  attach(connection) {
    const back = this.lost;
    this.line = connection;
    connection.worked = true;
    this.bind(null);
    this.lost = this.held = false;
    this.lostBy.clear();
    this.#cancelLifeline();
    this.#dropAbandoned(true);
    if (this.announced) {
      this.confirming.confirm();
    }
    for (const request of this.pending.filter(({ end }) => isOver(end))) {
      this.fail(request, tooLate(request));
    }
    for (const request of this.pending) {
      this.#write(request);
    }
    this.inquiries.verifyAll();
    if (back) {
      this.#fire(new StateEvent("online"));
    }
  }
  // An abandoned request for answers is asked once more, so that its number
  // is learned and it can be withdrawn; and so is a hand-over, unless it is known that it has not
  // been carried out.
  #dropAbandoned(known3) {
    this.pending.filter(({ abandoned, asks, frame }) => abandoned && !asks && (known3 || frame.type !== "hand_over")).forEach((request) => this.#remove(request));
  }
  /** letGo is told that the connection is gone, and that it is being resumed on another one. */
  letGo() {
    this.line = null;
    this.confirming.stop();
  }
  /** lose is told that the connection is gone: nothing is known from now on, for at most X. */
  lose() {
    this.letGo();
    this.bind(null);
    for (const request of [...this.pending]) {
      request.enters?.waiting.over();
      const patient = request.enters?.waiting.told && !request.abandoned;
      if (request.enters && request.tried && !patient && ++request.tries >= MAX_TRIES) {
        this.fail(request, new ConnectionError("no answer to join: the connection was lost each time"));
      }
      request.tried = false;
    }
    this.#dropAbandoned(false);
    if (this.lost) {
      return;
    }
    this.lost = true;
    const own2 = this.role === "master";
    const name = own2 ? this.username : this.master.username;
    const unknown = presence("master", name, "unknown", { deadline: after(this.timeout) });
    if (!own2) {
      this.master = unknown;
    }
    this.#fire(new StateEvent("reconnecting"));
    this.#tell("presence", unknown);
    this.#cancelLifeline = later(this.timeout, () => this.end(this.lostBy.size > 0 ? new ClosedError(Code.HUB_LOST, "no hub that could be reached has it") : new ClosedError(Code.MASTER_DOWN, `the hub could not be reached for ${this.timeout / 1e3} s`), true));
  }
  /** end is the end of the membership. resumable: not by the hub's word, nor this side's wish. */
  end(why, resumable = false) {
    if (this.error) {
      return;
    }
    this.attributes.settle();
    this.roster.tellDeparted();
    this.error = this.leaving && (why.code === Code.RESUME_FAILED || why.code === Code.HUB_LOST) ? new ClosedError(Code.LEFT) : why;
    if (this.leaving) {
      this.bound?.send({ type: "leave", channel: this.channel });
    }
    this.letGo();
    this.bind(null);
    this.#cancelLifeline();
    this.session.forget(this, resumable);
    if (this.role === "slave" && this.master) {
      this.master = presence("master", this.master.username, "gone");
    }
    for (const request of this.window.clear()) {
      request.settle(void 0, this.error);
    }
    for (const request of this.pending.splice(0)) {
      request.gone?.();
      request.enters?.waiting.takeBack(() => this.session.nextRef());
      request.settle(void 0, request.written ? new UnknownOutcomeError(this.error) : this.error);
    }
    this.inquiries.end(this.error);
    this.questions.clear();
    this.inbox.end(this.error.code === Code.DETACHED);
    this.session.progress();
    this.allAsked();
    this.roster.settle();
    this.#resolveClosed(this.error);
    this.#fire(new StateEvent("closed"));
    this.#fire(new ClosedEvent(this.error));
  }
  /** entered takes over what created or joined tells, the first time or after a resume. */
  entered(frame) {
    this.attributes.settle();
    const first = this.secret === "";
    const back = this.lost;
    this.shows &&= first;
    this.line = null;
    this.secret = frame.secret;
    this.epoch = frame.epoch ?? 0;
    this.confirming.begin(frame);
    if (first) {
      this.channel = frame.channel;
      this.username = frame.username;
      this.timeout = frame.master_timeout_ms ?? 0;
      this.enteredWith?.forEach((attribute) => this.attributes.set(this.username, attribute));
    }
    this.voice.becomes(frame.muted ?? false, first || this.role === "master");
    if (frame.attributes) {
      this.attributes.toldOwn(this.username, frame.attributes);
    }
    this.#askedAgain(frame.asks);
    if (this.role === "slave") {
      const { username, state } = frame.master;
      const same2 = this.master?.username === username && this.master.state === state;
      this.#knownAway = same2 && state === "away";
      this.#masterIs(username);
      if (!same2) {
        this.master = presence("master", username, state);
        if (!first && state === "online") {
          this.#tell("presence", this.master);
        }
      }
      return;
    }
    if (back) {
      this.#tell("presence", presence("master", this.username, "online"));
    }
    if (frame.gap) {
      this.gap(0);
    }
    this.door.listed(frame);
    if (this.counted) {
      this.counts.becomes(frame, first);
    }
    if (frame.members) {
      this.#compare(frame, "left while the master was away", !first || this.remade);
    }
  }
  // Where the slave's master has another name than before, what is known of the one before, and was asked of it, is
  // the new one's.
  #masterIs(name) {
    const before = this.master?.username ?? name;
    if (before !== name) {
      this.attributes.rename(before, name);
      this.inbox.rename(before, name);
      this.questions.removeFrom(before, Infinity);
      this.inquiries.masterIs(name);
    }
  }
  // Where the answer does not say that it is asked again, all has come: of a membership that was lost meanwhile
  // the hub knows how far it has got.
  #askedAgain(more) {
    if (!more) {
      this.allAsked();
    } else if (!this.asked) {
      this.asked = new Promise((resolve) => {
        this.#resolveAsked = resolve;
      });
    }
  }
  /** allAsked is told that it has all that it is asked again. */
  allAsked() {
    this.#resolveAsked?.();
    this.asked = null;
  }
  /**
   * listed takes in a list of the slaves that nobody has asked for. It stands for the
   * changes since the last one, after this side did not take them fast enough.
   */
  listed(frame) {
    this.attributes.settle();
    if (this.counted && !frame.members) {
      this.counts.becomes(frame);
    }
    if (this.role === "master" && frame.members) {
      this.roster.tellDeparted();
      this.#compare(frame, "left while the master did not keep up", true);
    }
  }
  #compare(frame, reason, follows) {
    this.roster.compare(frame, reason, this.last, follows, (name) => this.#forgetAttributes(name));
  }
  // number is that of the membership of one that has left, and heard that up to which messages from its
  // name were its own.
  #slaveChanged(slave, number, heard) {
    if (slave.state === "gone") {
      this.questions.removeFrom(slave.username, heard);
      this.inquiries.departs(slave.username, number, slave.reason);
    }
    this.inquiries.slave(slave, number);
    if (!this.counted) {
      this.#tell("member", slave);
    }
  }
  /**
   * message takes in a message. What a replay brings a second time is dropped, but for what this
   * member is to answer: another client was asked, whose ticket this one has.
   */
  message(frame) {
    this.attributes.settle();
    if (frame.seq <= this.last) {
      if (frame.request) {
        this.#asks(this.#messageOf(frame));
      }
      return;
    }
    this.last = frame.seq;
    if (!this.asked) {
      this.attributes.arrived(frame.seq);
    }
    this.confirming.arrived(frame.payload?.bytes.length ?? 0);
    if (frame.failed) {
      const { code, message } = frame.failed;
      this.inquiries.reply({ from: frame.from, replyTo: frame.reply, error: new DeclinedError(code, message) });
    } else if (frame.request || !this.#hasHad(frame.seq)) {
      this.#arrived(this.#messageOf(frame));
    }
    this.roster.arrived(this.last);
  }
  // When this client was the master before it may have got what the hub was not told to have arrived.
  #hasHad(seq) {
    return seq > 0 && seq <= this.had;
  }
  #arrived(message) {
    if (message.requestId !== 0) {
      this.#asks(message);
    }
    if (message.replyTo !== 0) {
      this.inquiries.reply({ from: message.from, replyTo: message.replyTo, message });
    } else {
      this.inbox.add(message);
    }
  }
  // What a master that is it no more has asked is over.
  #asks(message) {
    if (this.role === "master" || message.from === this.master?.username) {
      this.questions.add(message);
    }
  }
  #messageOf(frame) {
    return new Message(frame, this.handle);
  }
  /** attribute takes in a change of an attribute. */
  attribute(frame) {
    this.roster.tellDeparted(frame.from);
    this.attributes.changed(frame.from, frame.key, frame.payload, frame.seq);
    this.#noted(frame.seq);
  }
  /** reset takes in that attributes are told anew. */
  reset(frame) {
    this.attributes.reset(frame);
    this.#noted(frame.seq);
  }
  // Those of a membership that is over are told to nobody any more.
  #forgetAttributes(username) {
    this.attributes.forget(username);
    this.inbox.forget(username);
  }
  // What has the number has come, and everything before it.
  #noted(seq = 0) {
    this.last = Math.max(this.last, seq);
    this.attributes.arrived(seq);
    this.roster.arrived(this.last);
  }
  /** presence takes in a change of the master, on a slave's side, or of a slave. */
  presence(frame) {
    const { username, reason } = frame;
    this.attributes.settle();
    if (this.role === "master") {
      this.roster.tellDeparted();
      const joined2 = Boolean(frame.joined || frame.number);
      if (joined2 || frame.state === "left") {
        this.#forgetAttributes(username);
      }
      this.roster.change(presence("slave", username, stateOf(frame.state), { reason, joined: joined2 }), frame.number);
      for (const { key, payload } of frame.attributes ?? []) {
        this.attributes.changed(username, key, payload, frame.seq);
      }
      this.#noted(frame.seq);
      return;
    }
    const deadline = frame.state === "away" ? after(frame.timeout_ms ?? 0) : null;
    this.#masterIs(username);
    this.master = presence("master", username, stateOf(frame.state), { deadline, reason });
    if (!this.#knownAway || frame.state !== "away") {
      this.#tell("presence", this.master);
    }
    this.#knownAway = false;
  }
  /**
   * gap takes in that messages were lost in this place. seq is the number of the newest one, where
   * that is known: a replay can tell a second time of what has expired.
   */
  gap(missed, seq = 0) {
    this.attributes.settle();
    if (seq > 0) {
      if (seq <= this.last) {
        return;
      }
      this.last = seq;
      this.confirming.arrived(0);
    }
    if (!this.#hasHad(seq)) {
      this.inbox.add(Object.freeze({ type: "gap", missed }), seq);
      this.#fire(new GapEvent(missed));
      this.inquiries.lost();
    }
    this.roster.arrived(this.last);
  }
  #took(entry, dropped, number) {
    const taken = entry.type === "message" ? entry.seq : number;
    if (taken > this.taken) {
      this.taken = taken;
      this.session.keep(this);
    }
    if (dropped) {
      this.#fire(new GapEvent(entry.missed));
    }
  }
  #tell(type, change) {
    this.inbox.add(change);
    this.#fire(new PresenceEvent(type, change));
  }
  // The application's listeners run when this side's state is in order again.
  #fire(event) {
    queueMicrotask(() => this.handle.dispatchEvent(event));
  }
};

// src/moving.js
var over = /* @__PURE__ */ new Set([Code.RESUME_FAILED, Code.HUB_LOST, Code.REPLACED]);
var Moving = class {
  #session;
  #link;
  #calls;
  constructor(session, link, calls) {
    this.#session = session;
    this.#link = link;
    this.#calls = calls;
  }
  get #all() {
    return [...this.#session.memberships.values()];
  }
  /** connected resumes all on the new connection. prepared: those that need a token have got one for it. */
  connected(connection, prepared) {
    if (prepared) {
      this.#all.forEach((membership) => this.#begin(membership, connection));
    } else {
      this.#bring(this.#all, connection);
    }
    this.look();
  }
  // A switch or a hand-over whose answer was lost comes before the resume. While the former connection is there, its
  // answer is awaited.
  #begin(membership, connection) {
    if (membership.line ? !membership.undecided : !membership.repeatFirst(connection)) {
      this.#resume(membership, connection);
    }
  }
  #resume(membership, connection) {
    const { channel, username, secret, epoch, last, token, attributes } = membership;
    const { instance, roster } = this.#session;
    const ref = this.#session.nextRef();
    membership.bind(connection, ref);
    const seq = Math.min(attributes.known, last);
    connection.send({ type: "resume", ref, channel, username, secret, epoch, last, seq, token, instance, roster });
  }
  // The tokens that were got before the connection was made may be used up.
  #bring(list, connection) {
    list.forEach((membership) => membership.bind(connection));
    const still = () => list.filter(({ bound, error }) => bound === connection && !error);
    const begin = () => still().forEach((membership) => {
      membership.bind(null);
      this.#begin(membership, connection);
    });
    const prepared = list.length > 0 ? this.#session.freshTokens(list) : null;
    if (prepared) {
      prepared.then(begin, () => still().forEach((membership) => this.#refused(membership, connection)));
    } else {
      begin();
    }
  }
  /** look moves what is new on the former connection, and ends that one when nothing is on it. */
  look() {
    const { former, current } = this.#link;
    if (!former || this.#session.closed) {
      return;
    }
    const left = this.#all.filter(({ line }) => line === former);
    if (current) {
      this.#bring(left.filter((each) => !each.bound && each.refusedOn !== current && !each.undecided), current);
    }
    if (left.length === 0 && !this.#calls.on(former)) {
      this.#link.dismiss();
    }
  }
  /** lost is told that a connection has ended. What it had goes on to the present one, if that is another. */
  lost(connection) {
    const { current } = this.#link;
    const rest = [];
    for (const membership of this.#all) {
      const { line, bound } = membership;
      if (line === connection && line !== null && (bound || current)) {
        membership.letGo();
        if (!bound) {
          rest.push(membership);
        }
      } else if (line && line !== connection) {
        if (bound === connection) {
          membership.bind(null);
        }
      } else if (bound === null || bound === connection) {
        membership.lose();
      }
    }
    this.#bring(rest, current);
    this.look();
  }
  /** answer takes the answer to a resume, and reports whether the frame is one. */
  answer(connection, frame) {
    const bound = this.#all.filter((each) => each.bound === connection);
    const resuming = bound.find((each) => each.resuming === frame.ref);
    const repeating = bound.find((each) => each.repeating === frame.ref);
    if (resuming) {
      this.#resumed(resuming, connection, frame);
    } else if (repeating?.handing && passes(refusalIn(frame))) {
      this.#session.tryLater(connection);
    } else if (repeating && frame.type === "error") {
      this.#resume(repeating, connection);
    } else {
      return false;
    }
    return true;
  }
  #resumed(membership, connection, frame) {
    const refusal = refusalIn(frame);
    if (!refusal) {
      membership.entered(frame);
      this.#session.keep(membership);
      membership.attach(connection);
    } else if (membership.line || passes(refusal)) {
      this.#refused(membership, connection);
    } else if (this.#elsewhere(membership, connection, refusal)) {
      this.#refused(membership, connection, false);
    } else if (refusal.code !== Code.RESUME_FAILED || !membership.handsOverAgain(connection)) {
      membership.end(new ClosedError(refusal.code, refusal.reason), !over.has(refusal.code));
    }
    this.#leaveIfLost(connection);
  }
  // A connection whose hub has none of the memberships gives way to the next address. Others that it
  // has are not given up for one that it does not have.
  #leaveIfLost(connection) {
    const there = this.#all.filter(({ line, bound }) => line === connection || bound === connection);
    if (there.length === 0 && this.#all.some(({ line, refusedOn }) => !line && refusedOn === connection)) {
      this.#session.tryLater(connection);
    }
  }
  // The hub of another address may have it.
  #elsewhere({ lostBy }, { url }, { code }) {
    return code === Code.HUB_LOST && lostBy.add(url).size < this.#link.addresses;
  }
  // It stays where it is, or has to wait for the next connection.
  #refused(membership, connection, next = true) {
    membership.bind(null);
    membership.refusedOn = connection;
    if (membership.line) {
      return;
    }
    if (!membership.lost) {
      membership.lose();
    }
    if (next) {
      this.#session.tryLater(connection);
    }
  }
};

// src/slave.js
var Slave = class extends Handle {
  #membership;
  constructor(membership) {
    super(membership);
    this.#membership = membership;
  }
  /** What is known of the master, without asking the hub. */
  get master() {
    return this.#membership.master;
  }
  /** The attributes of the master, by their keys, as they are known on this side. */
  get masterAttributes() {
    return this.#membership.attributes.of(this.master.username);
  }
  /** Whether the master does not let this slave send of its own accord, as it is known on this side. */
  get muted() {
    return this.#membership.voice.muted;
  }
  /** The handle of the master that this slave has become, or null. */
  get promoted() {
    return this.#membership.next?.handle ?? null;
  }
  /** send sends to the master, also while it is away, and returns the receipt, with its number. */
  async send(payload, options) {
    const { fields, signal } = sendOptions("send", options);
    return this.#membership.send(fields, payload, { signal });
  }
  /** request sends to the master and waits for its answer. */
  async request(payload, options) {
    const { fields, signal } = sendOptions("request", options);
    return this.#membership.inquiries.ask(fields, payload, this.master.username, signal);
  }
  /** reply answers a message of the master that asks. */
  async reply(message, payload, options) {
    const { fields, signal } = sendOptions("reply", options);
    mustAsk(message);
    return this.#membership.send({ ...fields, reply: message.requestId }, payload, { signal });
  }
  /**
   * switch joins another channel under the same name and leaves this one in a
   * single step: where the join is refused, the user stays here.
   */
  async switch(channel, { master, token, attributes, wait, onwaiting, signal, ...rest } = {}) {
    noOthers("switch", rest);
    const how = { expect: master, token, attributes, wait: Boolean(wait) };
    return this.#membership.session.switch(this.#membership, channel, how, signal, onwaiting);
  }
  /** leave leaves the channel. */
  async leave() {
    return this.#membership.leave();
  }
};

// src/restoring.js
var over2 = /* @__PURE__ */ new Set([Code.RESUME_FAILED, Code.HUB_LOST, Code.REPLACED, Code.BAD_NAME, Code.BAD_FRAME]);
async function restoreAll(session, tickets, { replay = false, signal } = {}) {
  const lost = [];
  const handles = await Promise.all(tickets.list().map(async (ticket) => {
    try {
      return await resumeAtLast(session, tickets, replay ? { ...ticket, last: 0 } : ticket, signal);
    } catch (error) {
      if (!(error instanceof RefusedError)) {
        throw error;
      }
      const { role, channel, username } = ticket;
      lost.push({ role, channel, username, error });
      return null;
    }
  }));
  return {
    masters: handles.filter((handle) => handle instanceof Master),
    slaves: handles.filter((handle) => handle instanceof Slave),
    lost
  };
}
async function resumeAtLast(session, tickets, ticket, signal) {
  for (; ; ) {
    const entering = session.underWay(ticket.channel);
    if (entering) {
      await orAborted(entering, signal);
      continue;
    }
    const there = session.memberships.get(ticket.channel);
    if (there) {
      return there.handle;
    }
    const claimed = tickets.claim(ticket);
    try {
      return await session.resume(ticket, { signal });
    } catch (error) {
      if (over2.has(error?.code)) {
        tickets.remove(claimed);
      } else {
        tickets.claim(claimed, ticket.holder);
      }
      if (session.closed || !(error instanceof ConnectionError || passes(error))) {
        throw error;
      }
      if (passes(error)) {
        session.tryLater();
      }
    }
  }
}

// src/tickets.js
var roles = ["master", "slave"];
var isText = (value) => typeof value === "string" && value !== "";
var isName = (value) => isText(value) && sendable(value);
var isCount = (value) => Number.isInteger(value) && value >= 0 && value <= MAX_NUMBER;
var rules = {
  channel: [isName, "is no name"],
  username: [isName, "is no name"],
  role: [(value) => roles.includes(value), "is neither master nor slave"],
  resume: [isText, "is no secret"],
  epoch: [isCount, "is no whole number from 0 to 2^53"],
  last: [isCount, "is no whole number from 0 to 2^53"]
};
function readTicket(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { problem: "it is no object" };
  }
  const { channel, username, role, resume = value.secret, epoch = 0, last = 0 } = value;
  const ticket = { channel, username, role, resume, epoch, last };
  const wrong = Object.keys(rules).find((field) => !rules[field][0](ticket[field]));
  return wrong ? { problem: `${wrong} ${rules[wrong][1]}` } : { ticket };
}
var Tickets = class {
  #holder = crypto.getRandomValues(new Uint32Array(4)).join("-");
  #storage;
  #key;
  /**
   * @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined} storage
   * @param {string} key
   */
  constructor(storage2, key) {
    this.#storage = storage2;
    this.#key = key;
  }
  list() {
    return Object.values(this.#read());
  }
  /** put keeps the ticket of a membership that this client has entered. */
  put(ticket) {
    if (this.#storage) {
      this.#write({ ...this.#read(), [ticket.channel]: { ...ticket, holder: this.#holder } });
    }
  }
  /**
   * claim makes a ticket this client's, or another holder's, where it is kept as it was listed. Who
   * is about to use it does so first: the one whose place it takes leaves it alone then.
   */
  claim(ticket, holder = this.#holder) {
    const kept = this.#read();
    const { [ticket.channel]: found } = kept;
    if (found?.resume === ticket.resume && found.epoch === ticket.epoch && found.holder === ticket.holder) {
      this.#write({ ...kept, [ticket.channel]: { ...found, holder } });
    }
    return { ...ticket, holder };
  }
  /** update keeps the ticket as it is now, unless another client has put one in its place. */
  update(ticket) {
    if ((this.#read()[ticket.channel]?.holder ?? this.#holder) === this.#holder) {
      this.put(ticket);
    }
  }
  /** remove forgets a ticket, unless another client has put one in its place, be it the same. */
  remove({ channel, resume, epoch }, holder = this.#holder) {
    const kept = this.#read();
    const { [channel]: found } = kept;
    if (found?.resume === resume && found.epoch === epoch && (found.holder ?? holder) === holder) {
      delete kept[channel];
      this.#write(kept);
    }
  }
  #read() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? "{}");
      const tickets = Object.entries(kept).flatMap(([channel, value]) => {
        const { ticket } = readTicket(value);
        return ticket?.channel === channel ? [[channel, { ...ticket, holder: value.holder }]] : [];
      });
      return Object.assign(/* @__PURE__ */ Object.create(null), Object.fromEntries(tickets));
    } catch {
      return /* @__PURE__ */ Object.create(null);
    }
  }
  // A storage that is full or forbidden must not end what goes on.
  #write(kept) {
    try {
      if (Object.keys(kept).length > 0) {
        this.#storage.setItem(this.#key, JSON.stringify(kept));
      } else {
        this.#storage.removeItem(this.#key);
      }
    } catch (error) {
      globalThis.reportError?.(error);
    }
  }
};

// src/tokens.js
var Tokens = class {
  #make;
  #patience;
  /**
   * @param {((request: {operation: string, channel: string, username: string}) => Promise<string> | string) | undefined} make
   * @param {number} patience bounds how long fresh waits, in milliseconds
   */
  constructor(make, patience) {
    this.#make = make;
    this.#patience = patience;
  }
  /** made: the application makes tokens, where none is given. */
  get made() {
    return this.#make !== void 0;
  }
  /** one is a token for a call that waits for it. */
  async one(request, signal) {
    const made = this.#ask(request);
    await orAborted(made.then(() => {
    }, () => {
    }), signal);
    return made;
  }
  /**
   * fresh gives each of those that come back a token, before the next connection is made.
   * Where there is none it is to be tried again later: with one of before, the service might
   * take the member for one that is not to come back.
   *
   * @param {{request: object, take: (token: string) => void}[]} all
   */
  async fresh(all) {
    let cancel;
    const late = new Promise((_, reject) => {
      cancel = later(this.#patience, () => reject(new ConnectionError("there was no token in time")));
    });
    try {
      const tokens = await Promise.race([Promise.all(all.map(({ request }) => this.#ask(request))), late]);
      all.forEach(({ take }, index) => take(tokens[index]));
    } finally {
      cancel();
    }
  }
  async #ask({ operation, channel, username }) {
    const token = await this.#make({ operation, channel, username });
    if (typeof token !== "string") {
      throw new TypeError(`options.token must give a string, and has given ${token === null ? "null" : typeof token}`);
    }
    return token;
  }
};

// src/session.js
var MAX_PROTOCOL_ERRORS = 3;
var MAX_SLOW = 3;
var MAX_LEAVES = 8;
var requestFor = ({ type: operation, channel, username }) => ({ operation, channel, username });
var Session = class {
  // The ref of the newest frame. Refs rise for the client's life, over all
  // connections.
  #lastRef = 0;
  // How many requests of members were written so far.
  #writes = 0;
  /** The id of this client, which no other one has. */
  instance = newInstance();
  /** How the client is told of its slaves as their master. */
  get roster() {
    return this.options.countSlaves ? "count" : "pages";
  }
  memberships = /* @__PURE__ */ new Map();
  closed = false;
  // Why nothing new is begun any more, where the client is being detached.
  detaching = void 0;
  #whenSettled;
  #link;
  #moving;
  #calls;
  #entries;
  #tickets;
  #tokens;
  // How many restores are under way: they keep trying to connect.
  #restoring = 0;
  #protocolErrors = 0;
  /**
   * @param {string[]} urls
   * @param {object} options the client's
   * @param {{way: (way: string | null) => void}} told is told on which way it is connected, when that changes
   */
  constructor(urls, options, told) {
    this.options = options;
    this.#tickets = new Tickets(options.storage, options.storageKey);
    this.#entries = new Entries(urls[0]);
    this.#tokens = new Tokens(options.token, options.dialTimeout);
    this.#link = new Link(urls, options, {
      needed: () => this.#needed,
      stay: (connection) => [...this.memberships.values()].every(({ line }) => line === connection) && this.memberships.size > 0,
      prepare: () => this.freshTokens([...this.memberships.values()], this.#calls.repeated),
      first: () => this.#first(),
      opened: (connection, how) => this.#connected(connection, how),
      frame: (connection, frame) => this.#handle(connection, frame),
      lost: (connection, how) => this.#disconnected(connection, how),
      way: (way) => told.way(way)
    });
    this.#calls = new Calls({
      addresses: urls.length,
      nextRef: () => this.nextRef(),
      letGo: (connection) => this.#letGo(connection),
      progress: () => this.progress(),
      tryAnew: (connection, wanted) => (wanted || !this.#needed) && this.tryLater(connection),
      isIn: (channel) => this.memberships.has(channel),
      holds: (connection) => this.holds(connection),
      undo: (channel, promise) => this.undo(channel, promise),
      settled: (call, frame) => this.#settled(call, frame),
      again: (call, connection) => this.#again(call, connection)
    });
    this.#moving = new Moving(this, this.#link, this.#calls);
  }
  /** way is on which one the client is connected, or null. */
  get way() {
    return this.#link.way;
  }
  nextRef() {
    return ++this.#lastRef;
  }
  /** nextWrite is the place of a request among all that are written. */
  nextWrite() {
    return ++this.#writes;
  }
  /** keep stores what it takes to come back to a membership, unless another client has taken that over. */
  keep(membership) {
    if (!membership.error) {
      this.#tickets.update(membership.ticket);
    }
  }
  /** forget takes a membership out that is over. resumable: by this side's account alone. */
  forget(membership, resumable) {
    if (this.memberships.get(membership.channel) === membership) {
      this.memberships.delete(membership.channel);
    }
    if (!resumable) {
      this.#tickets.remove(membership.ticket);
    }
    this.#moving.look();
    this.#link.stopIfIdle();
  }
  // Entering.
  async create(frame, signal) {
    return this.#enterBy("master", { ...frame, type: "create" }, signal);
  }
  async join(frame, signal, onwaiting) {
    return this.#enterBy("slave", { ...frame, type: "join" }, signal, onwaiting);
  }
  async resume({ role, channel, username, resume: secret, epoch, last }, { token, signal }) {
    return this.#enterBy(role, { type: "resume", channel, username, secret, epoch, last, token }, signal);
  }
  async switch(from, channel, { expect, token, attributes, wait }, signal, onwaiting) {
    const next = this.#membership("slave", channel, token);
    next.waiting = new Waiting(onwaiting);
    const frame = { type: "join", channel, username: from.username, from: from.channel, expect, token, attributes, wait };
    await this.#entering(frame, signal, next, (entering) => from.perform(entering, { signal, enters: next }));
    return next.handle;
  }
  async #enterBy(role, frame, signal, onwaiting) {
    const membership = this.#membership(role, frame.channel, frame.token);
    membership.waiting = new Waiting(onwaiting);
    membership.last = membership.taken = frame.last ?? 0;
    await this.#entering(frame, signal, membership, async (entering) => {
      await this.call(entering, signal, membership);
      await this.#afterAsked(membership, signal);
    });
    return membership.handle;
  }
  // What it is asked again is there when the handle is, and all of a list of its slaves. Where the caller gives up before, the seat is away
  // then, and can be resumed.
  async #afterAsked(membership, signal) {
    const coming = () => membership.asked ?? membership.roster.coming;
    try {
      while (coming()) {
        await orAborted(coming(), signal);
      }
    } catch (error) {
      const connection = membership.line ?? membership.bound;
      membership.end(new ClosedError(Code.LEFT), true);
      if (connection) {
        this.undo(membership.channel, connection.over);
        this.#letGo(connection);
      }
      throw error;
    }
  }
  #membership(role, channel, token = "") {
    const membership = new Membership(this, role, channel);
    membership.ownToken = token !== "";
    membership.handle = role === "master" ? new Master(membership) : new Slave(membership);
    return membership;
  }
  // A client has one membership of a channel. A call that would enter it once more waits
  // for those before: they may be given up, or left at once.
  async #entering(given2, signal, membership, enter) {
    const { channel } = given2;
    const frame = { ...given2, instance: this.instance, roster: this.roster };
    checkNames(frame);
    frame.attributes = membership.enteredWith = attributesOf(given2.attributes, this.options.maxMessageBytes);
    await this.#entries.enter(channel, signal, async () => {
      if (this.memberships.has(channel)) {
        throw new RefusedError(Code.FORBIDDEN, `this client is in ${quoted(channel)} already`);
      }
      if (!frame.token && this.#tokens.made) {
        frame.token = await this.#tokens.one(requestFor(frame), signal);
      }
      membership.token = frame.token;
      await enter(frame);
    });
  }
  /** refresh shows the service a token for a membership: the one that is given, or a fresh one. */
  async refresh(membership, given2, signal) {
    if (!given2 && !this.#tokens.made) {
      throw new TypeError("refresh needs a token, where there is no options.token");
    }
    const { channel, username } = membership;
    const token = given2 || await this.#tokens.one({ operation: "refresh", channel, username }, signal);
    await membership.operate({ type: "refresh", token }, signal);
    membership.token = token;
    membership.ownToken = Boolean(given2);
  }
  /**
   * freshTokens gets a token for each that comes back, the memberships and what is made once more,
   * or returns null where none is needed.
   */
  freshTokens(all, calls = []) {
    if (!this.#tokens.made) {
      return null;
    }
    const needs = [
      ...all.filter(({ ownToken }) => !ownToken).map((membership) => ({
        request: requestFor({ type: "resume", channel: membership.channel, username: membership.username }),
        take: (token) => {
          membership.token = token;
        }
      })),
      ...[...all.map(({ switching }) => switching), ...calls].filter((each) => each?.enters && !each.enters.ownToken).map(({ frame, enters }) => ({
        request: requestFor(frame),
        take: (token) => {
          frame.token = enters.token = token;
        }
      }))
    ];
    return needs.length === 0 ? null : this.#tokens.fresh(needs);
  }
  /** undo tells that something in the channel is undone when the promise is resolved: who enters waits for it. */
  undo(channel, promise) {
    this.#entries.undo(channel, promise);
  }
  /** enter makes the membership one of the client's, as the answer tells. */
  enter(membership, answer, connection) {
    membership.entered(answer);
    this.memberships.set(membership.channel, membership);
    this.#tickets.put(membership.ticket);
    membership.attach(connection);
    connection.hold();
  }
  /** restore resumes what the storage has kept, or gives the handles that there are. */
  async restore(options) {
    this.#restoring++;
    try {
      return await restoreAll(this, this.#tickets, options);
    } finally {
      this.#restoring--;
      this.#link.stopIfIdle();
    }
  }
  /** underWay resolves when the newest call that is entering the channel has ended, if there is one. */
  underWay(channel) {
    return this.#entries.under(channel);
  }
  /** tryLater ends the connection, after a refusal that passes: there is a pause before the next. */
  tryLater(connection = this.#link.current) {
    connection?.giveUp("trying again later");
  }
  /** call asks the hub for something without a membership. enters is the one that an answer makes. */
  async call(frame, signal, enters) {
    if (signal?.aborted) {
      throw signal.reason;
    }
    if (this.closed || this.detaching) {
      throw this.detaching ?? new ConnectionError("the client is closed");
    }
    const answer = this.#calls.begin(frame, {
      signal,
      enters,
      connection: this.#link.current,
      abandoned: () => this.#link.stopIfIdle()
    });
    this.#link.start();
    return answer;
  }
  // The connection.
  get #needed() {
    return !this.closed && this.memberships.size + this.#calls.size + this.#restoring > 0;
  }
  // Memberships come first on a new connection, and a secret does not belong into a
  // handshake, which others may write to a log.
  #first() {
    return this.options.plainHandshake || this.memberships.size > 0 ? null : this.#calls.first({ withToken: this.options.tokenInHandshake });
  }
  #connected(connection, { sent, prepared }) {
    this.#moving.connected(connection, prepared);
    this.#calls.connected(connection, sent);
  }
  // A call was refused for now, by the hub of that connection: it is made on the next one.
  #again(call, connection) {
    const { current } = this.#link;
    if (current && current !== connection) {
      (this.freshTokens([], [call]) ?? Promise.resolve()).then(
        () => this.#calls.retry(call, current),
        (error) => this.#calls.fail(call, error)
      );
    } else if (!this.#link.moving && !this.holds(connection)) {
      this.tryLater(connection);
    }
  }
  /** holds reports whether the connection holds a membership. */
  holds(connection) {
    return [...this.memberships.values()].some(({ line }) => line === connection);
  }
  // Those that the connection holds, or is to hold.
  #on(connection) {
    return [...this.memberships.values()].filter(({ line, bound }) => (line ?? bound) === connection);
  }
  #disconnected(connection, { number, reason, silent, wasOpen, replaced }) {
    const why = reason === "" ? `connection lost (${number})` : reason;
    if (this.closed) {
      this.#calls.lost(connection, why, { dialed: true, all: true });
      return;
    }
    if (final(number)) {
      const why2 = new ClosedError(wordOf(number), reason);
      const told = this.#on(connection).filter(({ role }) => role === "master" || why2.code !== Code.HANDED_OVER);
      told.forEach((membership) => membership.end(why2, false));
    }
    this.#protocolErrors = number === Close.PROTOCOL_ERROR ? this.#protocolErrors + 1 : 0;
    if (this.#protocolErrors >= MAX_PROTOCOL_ERRORS) {
      this.#endAll(new ClosedError(Code.PROTOCOL_ERROR, reason), true, connection);
      this.#protocolErrors = 0;
    }
    this.#calls.lost(connection, why, {
      dialed: !wasOpen,
      all: !wasOpen && !replaced,
      answered: final(number),
      blamed: blamed(number),
      stopped: number === Close.SHUTDOWN
    });
    if (number === Close.TOO_LARGE) {
      this.#failLargest(connection);
    }
    if (number === Close.SLOW) {
      this.#tooSlow(connection, 0);
    } else if (silent) {
      this.#tooSlow(connection, FLOOR * (this.options.silence + this.options.patience));
    }
    this.#moving.lost(connection);
  }
  #endAll(why, resumable = false, connection = void 0) {
    for (const membership of connection ? this.#on(connection) : [...this.memberships.values()]) {
      membership.end(why, resumable);
    }
  }
  // The hub has closed the connection because of a message that was too large. If
  // any is, it is the largest without an answer, and it must not be sent again.
  #failLargest(connection) {
    const size = (request) => request.frame.payload?.bytes.length ?? 0;
    let largest;
    for (const membership of this.#on(connection)) {
      for (const request of membership.pending.filter((each) => each.written)) {
        if (!largest || size(request) > size(largest.request)) {
          largest = { membership, request };
        }
      }
    }
    largest?.membership.fail(largest.request, new RefusedError(
      Code.TOO_LARGE,
      `the hub has closed the connection for its ${size(largest.request)} bytes of payload: send less at a time`
    ));
  }
  // What was on its way is the first payload without an answer. Where it was this side that has
  // heard nothing, a send of that many bytes or fewer is not the reason.
  #tooSlow(connection, bytes) {
    const [first] = [...this.memberships.values()].filter(({ line }) => line === connection).flatMap((membership) => membership.pending.filter(({ written, frame }) => written && frame.payload).map((request) => ({ membership, request }))).sort((one, other) => one.request.place - other.request.place);
    const size = first?.request.frame.payload?.bytes.length ?? 0;
    if (first && size > bytes && ++first.request.slow >= MAX_SLOW) {
      first.membership.fail(first.request, new ConnectionError(
        `${MAX_SLOW} connections were too slow for these ${size} bytes`
      ));
    }
  }
  // What comes for a membership from another connection than the one that holds it, or is to hold it, is of
  // before it has moved.
  #handle(connection, frame) {
    const known3 = this.memberships.get(frame.channel);
    const membership = known3 && (known3.line ?? known3.bound) === connection ? known3 : void 0;
    switch (frame.type) {
      case "message":
        membership?.message(frame);
        break;
      case "presence":
        if (membership) {
          membership.presence(frame);
        } else if (frame.role === "master") {
          this.#calls.masterIs(connection, frame);
          this.memberships.forEach(({ switching }) => switching?.enters.waiting.master(connection, frame));
        }
        break;
      case "waiting":
        if (!this.#calls.waits(connection, frame)) {
          this.#on(connection).some((each) => each.waits(connection, frame));
        }
        break;
      case "knock":
        membership?.door.knocked(frame);
        break;
      case "muted":
        if (membership?.role === "slave") {
          membership.voice.becomes(frame.on);
        }
        break;
      case "attribute":
        membership?.attribute(frame);
        break;
      case "reset":
        membership?.reset(frame);
        break;
      case "gap":
        membership?.gap(frame.missed, frame.seq);
        break;
      case "asked":
        membership?.allAsked();
        break;
      case "members":
        if (frame.ref !== void 0) {
          this.#answer(connection, frame);
        } else {
          membership?.listed(frame);
        }
        break;
      case "closed":
        if (frame.ref !== void 0) {
          this.#answer(connection, frame);
        } else if (membership?.line && membership.bound && frame.code === Code.REPLACED) {
          membership.letGo();
        } else {
          membership?.end(new ClosedError(frame.code, frame.reason));
        }
        break;
      case "shutdown":
        this.#link.spread(connection, frame.timeout_ms);
        break;
      default:
        if (frame.ref !== void 0) {
          this.#answer(connection, frame);
          this.#moving.look();
        } else if (frame.type === "awaiting") {
          membership?.inquiries.over(frame);
        } else if ((frame.type === "created" || frame.type === "joined") && membership) {
          this.#roleChanged(membership, connection, frame);
        } else if (frame.type === "created" && !this.memberships.has(frame.channel)) {
          connection.send({ type: "leave", channel: frame.channel, epoch: frame.epoch });
        }
    }
  }
  // By a hand-over a membership is over, and another one begins on the same connection. Where the one who was the
  // master has given up, it leaves.
  #roleChanged(membership, connection, frame) {
    const { channel, token, ownToken } = membership;
    const role = frame.type === "created" ? "master" : "slave";
    if (role === membership.role) {
      return;
    }
    const next = Object.assign(this.#membership(role, channel), { token, ownToken, announced: true, shows: true });
    const wanted = membership.becomes(next, connection);
    this.enter(next, frame, connection);
    const now = role === "master" ? frame.username : frame.master.username;
    membership.end(new ClosedError(Code.HANDED_OVER, `${quoted(now)} is the master now`));
    if (!wanted) {
      next.push({ type: "leave", channel, epoch: next.epoch });
      next.end(new ClosedError(Code.LEFT));
    }
  }
  // An ack names no channel, and the answer to a switch the one it leads to. Nobody takes
  // an answer that comes again, since its frame came to the hub a second time.
  #answer(connection, frame) {
    const { type, channel } = frame;
    if (this.#calls.answer(frame) || this.#moving.answer(connection, frame) || this.#on(connection).some((each) => each.answer(frame))) {
      return;
    }
    if (type === "joined" && !this.memberships.has(channel) && !this.#calls.entering.includes(channel)) {
      connection.send({ type: "leave", ref: this.nextRef(), channel });
    }
  }
  #settled({ frame: { type }, enters, tries, on }, frame) {
    const refusal = this.#wrongRole(frame, enters, on) ?? (enters && this.#alreadyIn(frame));
    if (!refusal && enters) {
      enters.announced ||= type === "resume" || tries > 1;
      enters.remade = type === "create" && tries > 1;
      this.enter(enters, frame, on);
    }
    return refusal;
  }
  // A resume, and a seat that the service gives back, may turn out to be of the other role.
  #wrongRole(frame, enters, connection) {
    if (!enters || frame.type === (enters.role === "master" ? "created" : "joined")) {
      return void 0;
    }
    this.#letGo(connection);
    return new RefusedError(Code.FORBIDDEN, `the membership is of the other role by now: ${enters.role === "master" ? "join, or resume as a slave" : "create, or resume as the master"}`);
  }
  // The service may take two names of channels for the same.
  #alreadyIn({ channel }) {
    return this.memberships.has(channel) ? new RefusedError(Code.FORBIDDEN, `this client is in ${quoted(channel)} already`) : void 0;
  }
  // The connection is given up, so that a membership on it that nobody here wants
  // is away, and can be resumed elsewhere. The others come back.
  #letGo(connection) {
    connection.giveUp("a resume was given up");
  }
  /** close leaves every channel on purpose and closes the connection. */
  async close() {
    const channels = [.../* @__PURE__ */ new Set([...this.memberships.keys(), ...this.#calls.entering])];
    await this.#end(channels, Close.LEFT, () => this.#endAll(new ClosedError(Code.LEFT)));
  }
  /** detach closes the connection, and keeps the seats: it returns what it takes to come back to them. */
  async detach() {
    if (this.closed || this.detaching) {
      throw new ConnectionError("the client is closed");
    }
    this.detaching = new ClosedError(Code.DETACHED, "the seat is kept, and its ticket leads back to it");
    this.#calls.giveUp(this.detaching);
    this.memberships.forEach((membership) => membership.giveUpSwitches(this.detaching));
    await this.#settledWithin(this.options.closeTimeout);
    const kept = [...this.memberships.values()].filter(({ leaving }) => !leaving);
    const tickets = kept.map(({ ticket }) => ticket).sort((one, other) => one.channel < other.channel ? -1 : 1);
    await this.#end(this.#calls.entering, Close.IDLE, () => {
      kept.forEach((membership) => membership.end(this.detaching, true));
      this.#endAll(new ClosedError(Code.LEFT));
    });
    return tickets;
  }
  /** progress is told when something that was under way is over. */
  progress() {
    const under2 = [...this.memberships.values()].some(({ leaving, pending }) => leaving || pending.length > 0);
    if (this.closed || !under2 && this.#calls.entering.length === 0) {
      this.#whenSettled?.();
    }
  }
  // What was sent is answered, as far as that comes in time.
  async #settledWithin(milliseconds2) {
    await new Promise((resolve) => {
      const cancel = later(milliseconds2, resolve);
      this.#whenSettled = () => {
        cancel();
        resolve();
      };
      this.progress();
    });
  }
  async #end(leaving, number, endAll) {
    this.closed = true;
    this.progress();
    const ended = this.#link.ended();
    leaving.forEach((channel) => this.undo(channel, ended));
    const frames = leaving.slice(0, MAX_LEAVES).map((channel) => ({ type: "leave", channel }));
    const lines = new Map([...this.memberships.values()].map(({ channel, line }) => [channel, line]));
    endAll();
    this.#calls.failAll("the client is closed");
    await this.#link.leave((connection) => frames.filter(({ channel }) => (lines.get(channel) ?? connection) === connection), number);
  }
};

// src/client.js
var baseOf = () => globalThis.document?.baseURI ?? globalThis.location?.href;
function complete(url) {
  try {
    return Boolean(new URL(url));
  } catch {
    return false;
  }
}
function addressOf(url) {
  let address;
  try {
    address = new URL(url, baseOf());
  } catch (cause) {
    throw new TypeError(`no address of a WebSocket: ${url}`, { cause });
  }
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (address.protocol !== "ws:" && address.protocol !== "wss:") {
    throw new TypeError(`no address of a WebSocket: ${url}`);
  }
  address.hash = "";
  return address.href;
}
function listed(urls) {
  const list = Array.isArray(urls) ? urls : [urls];
  if (list.length === 0) {
    throw new TypeError("the list of addresses is empty");
  }
  return list;
}
function ticketFor(role, given2) {
  const { ticket, problem } = readTicket(given2);
  if (!ticket) {
    throw new TypeError(`this is no ticket: ${problem}`);
  }
  if (ticket.role !== role) {
    throw new RefusedError(Code.FORBIDDEN, "the ticket is for the other role: resume with the one for it");
  }
  return ticket;
}
var Client = class extends EventTarget {
  #made = null;
  #urls;
  #options;
  constructor(url, options = {}) {
    super();
    this.#urls = listed(url);
    this.#options = optionsOf(options);
    if (baseOf() !== void 0 || this.#urls.every(complete)) {
      this.#make();
    }
  }
  #make() {
    const addresses = [...new Set(this.#urls.map(addressOf))];
    this.#made = new Session(addresses, { storageKey: `lectern ${addresses[0]}`, ...withPlatform(this.#options) }, {
      way: (way) => this.dispatchEvent(new TransportEvent(way))
    });
  }
  get #session() {
    if (!this.#made) {
      this.#make();
    }
    return this.#made;
  }
  /** transport is the way on which the client is connected now, websocket or http, or null. */
  get transport() {
    return this.#made?.way ?? null;
  }
  /** create makes the channel, with the user as its master. */
  async create(channel, username, { token, masterTimeout, attributes, door, signal, ...rest } = {}) {
    noOthers("create", rest);
    const timeout = masterTimeout === void 0 ? void 0 : milliseconds("masterTimeout", masterTimeout);
    return this.#session.create({ channel, username, token, master_timeout_ms: timeout, attributes, door: doorOf(door) }, signal);
  }
  /** join enters a channel that its master has created before. */
  async join(channel, username, { master, token, attributes, wait, onwaiting, signal, ...rest } = {}) {
    noOthers("join", rest);
    return this.#session.join({ channel, username, expect: master, token, attributes, wait: Boolean(wait) }, signal, onwaiting);
  }
  /** resumeMaster takes over the membership that the ticket is for. */
  async resumeMaster(ticket, { token, signal, ...rest } = {}) {
    noOthers("resumeMaster", rest);
    return this.#session.resume(ticketFor("master", ticket), { token, signal });
  }
  /** resumeSlave takes over the membership that the ticket is for. */
  async resumeSlave(ticket, { token, signal, ...rest } = {}) {
    noOthers("resumeSlave", rest);
    return this.#session.resume(ticketFor("slave", ticket), { token, signal });
  }
  /** restore resumes the memberships that options.storage has kept. */
  async restore({ replay, signal, ...rest } = {}) {
    noOthers("restore", rest);
    return this.#session.restore({ replay, signal });
  }
  /** status tells what anybody may know of a channel. */
  async status(channel, { signal, ...rest } = {}) {
    noOthers("status", rest);
    const problem = nameProblem(channel);
    if (problem !== "") {
      throw new RefusedError(Code.BAD_NAME, `channel: ${problem}`);
    }
    const { exists, master, timeout_ms: timeout } = await this.#session.call({ type: "status", channel }, signal);
    if (!exists) {
      return { exists: false, master: null };
    }
    const deadline = timeout === void 0 ? null : after(timeout);
    return { exists: true, master: presence("master", master.username, master.state, { deadline }) };
  }
  /** close leaves every channel on purpose and closes the connection. */
  async close() {
    return this.#made?.close();
  }
  /** detach ends the client and keeps its seats. */
  async detach() {
    return this.#session.detach();
  }
};
export {
  Attribute,
  AttributeEvent,
  Client,
  ClosedError,
  ClosedEvent,
  Code,
  ConnectionError,
  CountsEvent,
  DeclinedError,
  GapError,
  GapEvent,
  KnockEvent,
  LecternError,
  Master,
  Message,
  MutedEvent,
  PresenceEvent,
  PromotedEvent,
  RefusedError,
  Slave,
  StateEvent,
  TransportEvent,
  UnknownOutcomeError,
  json
};
