import { orAborted } from './aborting.js';
import { Code, ConnectionError, RefusedError, passes } from './errors.js';
import { Master } from './master.js';
import { Slave } from './slave.js';

// The refusals by which a membership is over, or was never one. After any other, for
// instance of a hub that is full, it may still be resumed.
const over = new Set([Code.RESUME_FAILED, Code.HUB_LOST, Code.REPLACED, Code.BAD_NAME, Code.BAD_FRAME]);

/**
 * restoreAll resumes what the storage has kept. Where the client is in a channel
 * already it gives the handle that there is. What the hub refuses is lost; while it
 * cannot be reached, the attempt goes on.
 */
export async function restoreAll(session, tickets, { replay = false, signal } = {}) {
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
    lost,
  };
}

async function resumeAtLast(session, tickets, ticket, signal) {
  for (;;) {
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
      if (over.has(error?.code)) {
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
