// The protocol's codes, of PROTOCOL.md, sections 8 and 9. The Go tests hold them to the hub's list.

/** The codes of refusals. */
export const refusals = [
  'bad_frame', 'unsupported', 'too_large', 'rate_limited', 'unauthorized', 'forbidden', 'no_such_channel',
  'channel_exists', 'wrong_master', 'name_taken', 'bad_name', 'banned', 'locked', 'denied', 'channel_full', 'too_many_channels',
  'not_a_member', 'no_such_slave', 'no_such_request', 'busy', 'too_late', 'role_changed', 'muted', 'attributes_full',
  'resume_failed', 'hub_lost',
  'shutting_down', 'replaced',
];

/** The codes with which a membership ends, and the number of a connection that ends with it. */
export const ends = {
  master_left: 4001,
  master_down: 4002,
  kicked: 4003,
  channel_closed: 4004,
  left: 4005,
  expired: 4006,
  revoked: 4007,
  handed_over: 4008,
  replaced: 4102,
  shutdown: 4106,
};

/** The codes with which a connection alone ends, and their numbers. */
export const closes = {
  too_large: 1009,
  slow: 4101,
  protocol_error: 4103,
  idle: 4104,
  rate_limited: 4105,
  unauthorized: 4107,
};

/** The codes that are this side's own, or mean more to it than to the hub. */
export const own = ['protocol_error', 'gap', 'unknown_outcome', 'connection', 'declined', 'detached'];
