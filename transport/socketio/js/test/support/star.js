import { Member } from './member.js';

let count = 0;

/** starOf is a channel of its own, with its master alice and slaves of these names, who are in. */
export async function starOf(t, url, how, ...names) {
  const channel = `channel ${count++}`;
  const master = new Member(t, url, { ...how, auth: { channel, username: 'alice', role: 'master' } });
  await master.next('created');
  const slaves = [];
  for (const username of names) {
    const slave = new Member(t, url, { ...how, auth: { channel, username } });
    await slave.next('joined');
    await arrives(master, username);
    slaves.push(slave);
  }
  return { channel, master, slaves };
}

/** arrives waits until a master knows that a slave is online. */
export function arrives(master, username) {
  return master.until('presence', (presence) => presence.username === username && presence.state === 'online');
}
