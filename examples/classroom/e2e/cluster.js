// Makes ../../../cluster/natscluster/example/cluster.png: the page of a cluster on a laptop, one hub of which was killed.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = 'http://127.0.0.1:8100/';
const program = spawn('go', ['run', './cluster/natscluster/example'], { cwd: root, detached: true, stdio: 'ignore' });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
try {
  const tab = await browser.newPage({ viewport: { width: 1280, height: 500 }, colorScheme: 'light' });
  while (await tab.goto(page).catch(() => null) === null) {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
  const hub = tab.locator('section').nth(1);
  await hub.getByRole('heading', { name: 'runs' }).waitFor();
  await tab.waitForTimeout(6000); // so that the classes have something to show
  await hub.getByRole('button', { name: 'Kill' }).click();
  await tab.waitForTimeout(5000);
  await tab.screenshot({ path: `${root}cluster/natscluster/example/cluster.png` });
} finally {
  await browser.close();
  process.kill(-program.pid, 'SIGINT');
}
