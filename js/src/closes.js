/** The numbers with which connections end, of PROTOCOL.md, section 9. */
export const Close = Object.freeze({
  LEFT: 4005,
  SLOW: 4101,
  PROTOCOL_ERROR: 4103,
  IDLE: 4104,
  RATE_LIMITED: 4105,
  SHUTDOWN: 4106,
  TOO_LARGE: 1009,
});

const words = {
  4001: 'master_left',
  4002: 'master_down',
  4003: 'kicked',
  4004: 'channel_closed',
  4005: 'left',
};

/** final reports whether coming back makes no sense after this number. */
export const final = (number) => number >= 4000 && number < 4100;

/** wordOf is the code of a final number. */
export const wordOf = (number) => words[number] ?? String(number);
