import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Finding, failure, ok } from './finding.ts';

/** Each host tool, how it tells its version, its Debian package, and what it is for. */
const TOOLS = [
  { name: 'nft', args: ['--version'], package: 'nftables', use: 'what sandboxes may reach' },
  { name: 'ip', args: ['-V'], package: 'iproute2', use: 'networks of sandboxes' },
  { name: 'conntrack', args: ['--version'], package: 'conntrack', use: 'cutting forbidden connections' },
  { name: 'mmdebstrap', args: ['--version'], package: 'mmdebstrap', use: 'making the base template' },
  { name: 'mkfs.ext4', args: ['-V'], package: 'e2fsprogs', use: 'disks of sandboxes' },
  { name: 'losetup', args: ['--version'], package: 'mount', use: 'disks of sandboxes' },
  { name: 'mount', args: ['--version'], package: 'mount', use: 'files of sandboxes' },
  { name: 'setpriv', args: ['--version'], package: 'util-linux', use: 'ending helpers with the server' },
] as const;

const DEADLINE_MS = 10_000;

/** Asks every host tool for its version. */
export function toolChecks(): Promise<Finding[]> {
  return Promise.all(
    TOOLS.map(async (tool) => {
      try {
        const { stdout, stderr } = await promisify(execFile)(tool.name, [...tool.args], { timeout: DEADLINE_MS });
        return ok(tool.name, `${stdout}${stderr}`.trim().split('\n')[0] ?? '');
      } catch (error) {
        const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const found = missing ? 'not found' : (error as Error).message.trim();
        return failure(tool.name, found, `It is needed for ${tool.use}.`, `apt-get install -y ${tool.package}`);
      }
    }),
  );
}
