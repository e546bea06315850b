// The shapes of the frames of PROTOCOL.md, section 12. Fields have the names of
// its table of tags.

/** The largest number that a frame may carry. */
export const MAX_NUMBER = 2 ** 53;

/** The longest time in milliseconds that a message can be worth something: a day. */
export const MAX_EXPIRES = 24 * 60 * 60 * 1000;

/** So many attributes may be in one frame. */
export const MAX_ATTRIBUTES = 64;

/** So many can wait at one door. */
export const MAX_KNOCKS = 256;

/** How many entries a page of a list has at most. */
export const MAX_PAGE = 1024;

const words = {
  role: ['master', 'slave'],
  state: ['online', 'away', 'left'],
  door: ['open', 'knock', 'locked'],
  for: ['master', 'door'],
  roster: ['pages', 'count'],
};

// kept: the field is told apart from none even where its value is zero or empty.
const fieldList = [
  [0x01, 'ref', 'positive'],
  [0x02, 'channel', 'string'],
  [0x03, 'username', 'string'],
  [0x04, 'expect', 'string'],
  [0x05, 'token', 'string'],
  [0x06, 'secret', 'string'],
  [0x07, 'epoch', 'number'],
  [0x08, 'from', 'string'],
  [0x09, 'to', 'string', 'kept'],
  [0x0a, 'last', 'number'],
  [0x0b, 'seq', 'number'],
  [0x0c, 'slaves', 'number'],
  [0x0d, 'private', 'flag'],
  [0x0e, 'asks', 'flag'],
  [0x0f, 'request', 'positive'],
  [0x10, 'reply', 'positive'],
  [0x11, 'exists', 'choice', 'kept'],
  [0x12, 'role', 'word'],
  [0x13, 'state', 'word'],
  [0x14, 'master', 'member'],
  [0x15, 'master_timeout_ms', 'number', 'kept'],
  [0x16, 'timeout_ms', 'number', 'kept'],
  [0x17, 'gap', 'flag'],
  [0x18, 'code', 'string'],
  [0x19, 'missed', 'number'],
  [0x1a, 'reason', 'string'],
  [0x1b, 'ban', 'flag'],
  [0x1c, 'members', 'members', 'kept'],
  [0x1d, 'number', 'number'],
  // The numbers of the members, which have them in their objects.
  [0x1e, 'numbers', 'numbers'],
  [0x1f, 'instance', 'string'],
  [0x20, 'seen', 'number', 'kept'],
  [0x21, 'confirm_messages', 'number'],
  [0x22, 'confirm_bytes', 'number'],
  [0x23, 'topic', 'string'],
  [0x24, 'expires_ms', 'expiry'],
  [0x25, 'joined', 'flag'],
  [0x26, 'failed', 'failure'],
  [0x27, 'key', 'string'],
  [0x28, 'attributes', 'attributes'],
  [0x29, 'door', 'word'],
  [0x2a, 'wait', 'flag'],
  [0x2b, 'for', 'word'],
  [0x2c, 'knock', 'positive'],
  [0x2d, 'on', 'choice', 'kept'],
  [0x2e, 'stay', 'flag'],
  [0x2f, 'muted', 'flag'],
  [0x30, 'knocks', 'knocks'],
  [0x31, 'roster', 'word'],
  [0x32, 'more', 'flag'],
  [0x33, 'online', 'number'],
  [0x34, 'away', 'number'],
  [0x35, 'after', 'number'],
  [0x36, 'limit', 'positive'],
];

/** The fields by their tags. */
export const fieldsByTag = new Map(fieldList.map(([tag, name, kind, kept]) => [
  tag, { tag, name, kind, kept: kept !== undefined, words: words[name] },
]));

/** The tags of the payload, by its kind. */
export const payloadTags = { text: 0x7d, data: 0x7e, bytes: 0x7f };

/** Tags from here on must be understood by whoever reads the frame. */
export const FIRST_CRITICAL = 0x80;

/**
 * The last first byte of the binary form. Those after LAST_CONTROL are characters too, which text
 * can begin with: a frame of one of these types has a ref or a channel, whose tag no text has.
 */
export const LAST_TYPE = 0x3f;
export const LAST_CONTROL = 0x1f;

const shapeList = [
  [0x01, 'create', 'channel username', 'token master_timeout_ms instance attributes door roster'],
  [0x02, 'join', 'channel username', 'expect token from instance attributes wait roster'],
  [0x03, 'resume', 'channel username secret', 'token epoch last seq instance roster'],
  [0x04, 'send', 'channel', 'to asks reply epoch seen topic expires_ms failed', 'payload'],
  [0x05, 'leave', 'channel', 'epoch seen'],
  [0x06, 'away', 'channel', 'epoch seen'],
  [0x07, 'back', 'channel', 'epoch seen'],
  [0x08, 'kick', 'channel to', 'reason ban epoch seen'],
  [0x09, 'status', 'channel', 'exists master timeout_ms'],
  [0x0a, 'members', 'channel', 'members numbers epoch seen more online away after limit'],
  [0x0b, 'ping', '', 'channel epoch seen'],
  [0x0c, 'withdraw', 'channel request', 'epoch seen'],
  [0x0d, 'awaiting', 'channel request', 'code members numbers epoch seen more after limit'],
  [0x0e, 'refresh', 'channel token', 'epoch seen'],
  [0x0f, 'set', 'channel key', 'epoch seen', 'emptied'],
  [0x11, 'created', 'channel username secret epoch',
    'seq asks master_timeout_ms gap members numbers confirm_messages confirm_bytes attributes muted door knocks more online away'],
  [0x12, 'joined', 'channel username secret master', 'epoch asks master_timeout_ms attributes muted'],
  [0x13, 'message', 'channel from seq', 'private request reply topic expires_ms failed', 'payload'],
  [0x14, 'presence', 'channel username role state', 'seq timeout_ms reason number joined attributes'],
  [0x15, 'closed', 'channel code', 'reason'],
  [0x16, 'gap', 'channel missed', 'seq'],
  [0x17, 'ack', '', 'seq slaves'],
  [0x18, 'left', 'channel', ''],
  [0x19, 'pong', '', ''],
  [0x1a, 'error', 'code', 'channel reason'],
  [0x1b, 'shutdown', 'timeout_ms', ''],
  [0x1c, 'attribute', 'channel from seq key', '', 'emptied'],
  [0x1d, 'reset', 'channel', 'from seq'],
  [0x1e, 'asked', 'channel', ''],
  [0x20, 'door', 'channel door', 'epoch seen'],
  [0x21, 'admit', 'channel knock', 'epoch seen'],
  [0x22, 'deny', 'channel knock', 'reason epoch seen'],
  [0x23, 'mute', 'channel on', 'to epoch seen'],
  [0x24, 'hand_over', 'channel to', 'username token secret epoch instance seen stay'],
  [0x30, 'waiting', 'channel for', 'master timeout_ms'],
  [0x31, 'knock', 'channel username knock on', 'attributes'],
  [0x32, 'muted', 'channel on', ''],
];

const names = (list) => list.split(' ').filter((name) => name !== '');

const shapes = shapeList.map(([byte, type, required, optional, payload]) => {
  const has = new Set([...names(required), ...names(optional), 'ref']);
  return {
    byte,
    type,
    required: new Set(names(required)),
    // In the order of their tags, which is the order of writing.
    fields: [...fieldsByTag.values()].filter((field) => has.has(field.name)),
    has,
    payload: payload !== undefined,
    // One without a payload takes something away.
    emptied: payload === 'emptied',
  };
});

export const shapesByByte = new Map(shapes.map((shape) => [shape.byte, shape]));
export const shapesByType = new Map(shapes.map((shape) => [shape.type, shape]));
