// Sessions come and go over each way, and nothing of them is left.
import { test } from 'node:test';

import { Hub } from './support/hub.js';
import { Member, clients, ways } from './support/member.js';
import { Network } from './support/network.js';

const SESSIONS = 1_000;
const AT_ONCE = 50;

for (const way of Object.keys(ways)) {
  test(`${SESSIONS} sessions come and go: ${way}`, async (t) => {
    const hub = await Hub.start(t, { probe: '1s', away: '1s' });
    const network = await Network.to(t, hub.url);
    const versions = Object.keys(clients);
    for (let begun = 0; begun < SESSIONS; begun += AT_ONCE) {
      const members = Array.from({ length: AT_ONCE }, (_, index) => new Member(t, index % 2 ? network.url : hub.url, {
        way, version: versions[index % versions.length], reconnection: false,
        auth: { channel: `channel ${begun + index}`, username: 'alice', role: 'master' },
      }));
      // Some are in the middle of their upgrade as they end.
      await Promise.all(members.map((member) => member.next('created')));
      network.cut();
      members.forEach(({ socket }) => socket.disconnect());
      await Promise.all(members.map((member) => member.next('disconnect')));
      network.mend();
    }
    await hub.idle();
  });
}
