// Lectern's client for browsers and Node. lectern.d.ts describes it.

export { Attribute } from './attributes.js';
export { Client } from './client.js';
export {
  ClosedError, Code, ConnectionError, DeclinedError, GapError, LecternError, RefusedError, UnknownOutcomeError,
} from './errors.js';
export {
  AttributeEvent, ClosedEvent, CountsEvent, GapEvent, KnockEvent, MutedEvent, PresenceEvent, PromotedEvent, StateEvent,
  TransportEvent,
} from './happenings.js';
export { Master } from './master.js';
export { Message } from './message.js';
export { json } from './payload.js';
export { Slave } from './slave.js';
