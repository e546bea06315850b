// The page in Chromium, with stock clients from npm.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

/** How long anything that is awaited may take, in milliseconds. */
const LIMIT = 30_000;

const { resolve } = createRequire(import.meta.url);
const clients = {
  '4.8.4': resolve('socket.io-client-4/dist/socket.io.js'),
  '2.5.0': resolve('socket.io-client-2/dist/socket.io.js'),
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
after(() => browser.close());

/** serve returns the page's address. */
async function serve(t, client) {
  const program = spawn(fileURLToPath(new URL('../build/socketio', import.meta.url)), ['-addr=127.0.0.1:0', `-client=${client}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => program.kill());
  for await (const line of createInterface(program.stdout)) {
    return line.replace(/^page /, '');
  }
  throw assert.fail('the program has told no address');
}

/** Tab is the page in a browser of somebody's own. */
class Tab {
  complaints = [];
  /** asked is how the client has begun. */
  asked = [];

  static async open(url) {
    const tab = new Tab();
    const context = await browser.newContext();
    context.setDefaultTimeout(LIMIT);
    tab.page = await context.newPage();
    tab.page.on('console', (message) => ['error', 'warning'].includes(message.type()) && tab.complaints.push(message.text()));
    tab.page.on('pageerror', (error) => tab.complaints.push(error.stack));
    tab.page.on('request', (request) => request.url().includes('/socket.io/') && tab.asked.push(new URL(request.url()).searchParams.get('transport')));
    await tab.page.goto(url);
    return tab;
  }

  async enter(channel, button) {
    await this.page.getByLabel('Channel').fill(channel);
    await this.page.getByRole('button', { name: button }).click();
    await this.page.getByRole('status').getByText(new RegExp(`^${channel}, as guest-.*`)).waitFor();
    return /, as (guest-.{8})\./.exec(await this.page.getByRole('status').textContent())[1];
  }

  async say(text) {
    await this.page.getByLabel('Message').fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  async reads(text) {
    await this.page.getByRole('log').getByText(text, { exact: true }).waitFor();
  }

  /** moved waits until the client is on WebSocket, where it has not begun. */
  async moved() {
    assert.equal(this.asked[0], 'polling');
    await this.page.waitForFunction(() => socket.io.engine.transport.name === 'websocket');
  }
}

for (const [version, client] of Object.entries(clients)) {
  test(`pages talk, switch, are loaded again, and the master leaves: ${version}`, async (t) => {
    const url = await serve(t, client);
    const [alice, bob, carol] = await Promise.all([Tab.open(url), Tab.open(url), Tab.open(url)]);
    const master = await alice.enter('abc123', 'Open');
    const slave = await bob.enter('abc123', 'Join');
    await alice.reads(`${slave} is online`);
    await alice.say('hello everybody');
    await bob.reads(`${master}: hello everybody`);
    await bob.say('hello');
    await alice.reads(`${slave}: hello`);
    await Promise.all([alice.moved(), bob.moved(), carol.moved()]);
    await alice.say('on WebSocket by now');
    await bob.reads(`${master}: on WebSocket by now`);

    await carol.page.getByLabel('Channel').fill('nowhere');
    await carol.page.getByRole('button', { name: 'Join' }).click();
    await carol.page.getByRole('log').getByText('nowhere').waitFor(); // a slave makes no channel
    const other = await carol.enter('def456', 'Open');
    await bob.enter('def456', 'Join');
    await bob.reads('You have left abc123');
    await alice.reads(`${slave} is left`);
    await bob.say('hello, new room');
    await carol.reads(`${slave}: hello, new room`);

    await bob.page.reload();
    await bob.page.getByRole('status').getByText(`def456, as ${slave}. The master is ${other}.`).waitFor();
    await carol.say('welcome back');
    await bob.reads(`${other}: welcome back`);

    await carol.page.evaluate(() => socket.disconnect());
    await bob.reads('def456 is over: master_left');
    await bob.reads('disconnected: io server disconnect');
    for (const { complaints } of [alice, bob, carol]) {
      assert.deepEqual(complaints, []);
    }
  });
}
