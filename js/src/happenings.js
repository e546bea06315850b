/** PresenceEvent (presence, member) tells of a change of one member. */
export class PresenceEvent extends Event {
  constructor(type, presence) {
    super(type);
    this.presence = presence;
  }
}

/** AttributeEvent (attribute) tells of a change of another member's attribute. */
export class AttributeEvent extends Event {
  constructor(attribute) {
    super('attribute');
    this.attribute = attribute;
  }
}

/** MutedEvent (muted) tells a slave that it may not send of its own accord any more, or may again. */
export class MutedEvent extends Event {
  constructor(on) {
    super('muted');
    this.on = on;
  }
}

/** CountsEvent (counts) tells a master how many slaves it has, where it is told no more of them. */
export class CountsEvent extends Event {
  constructor(counts) {
    super('counts');
    this.counts = counts;
  }
}

/** PromotedEvent (promoted) tells a slave that it is the master now. */
export class PromotedEvent extends Event {
  constructor(master) {
    super('promoted');
    this.master = master;
  }
}

/** KnockEvent (knock) tells a master that somebody waits at its door, or does not any more. */
export class KnockEvent extends Event {
  constructor(knock) {
    super('knock');
    this.knock = knock;
  }
}

/** GapEvent (gap) tells that messages were dropped. */
export class GapEvent extends Event {
  constructor(missed) {
    super('gap');
    this.missed = missed;
  }
}

/** StateEvent (state) tells how the membership's connection is. */
export class StateEvent extends Event {
  constructor(state) {
    super('state');
    this.state = state;
  }
}

/** TransportEvent (transport) tells of a client on which way it is connected. */
export class TransportEvent extends Event {
  constructor(transport) {
    super('transport');
    this.transport = transport;
  }
}

/** ClosedEvent (closed) tells that the membership is over, and why. */
export class ClosedEvent extends Event {
  constructor(error) {
    super('closed');
    this.code = error.code;
    this.reason = error.reason;
    this.error = error;
  }
}
