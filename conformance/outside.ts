import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { promisify } from 'node:util';

const NPM_DEADLINE_MS = 10_000;
const REACH_DEADLINE_MS = 3_000;

/** A public host that this machine reaches on port 443; what is tested about egress needs one. */
export interface Outside {
  readonly host: string;
  readonly ip: string;
}

/** The registry that the clients are installed from: the one public host that must be reachable anyway. */
export async function findOutside(): Promise<Outside | undefined> {
  const { stdout } = await promisify(execFile)('npm', ['config', 'get', 'registry'], { timeout: NPM_DEADLINE_MS });
  const host = new URL(stdout.trim()).hostname;
  const found = await lookup(host, { family: 4 }).catch(() => undefined);
  if (found === undefined || !(await isReached(found.address))) return undefined;
  return { host, ip: found.address };
}

function isReached(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 443, timeout: REACH_DEADLINE_MS });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}
