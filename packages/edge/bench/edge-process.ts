import { RouteRegistry } from '@atoll/bus';
import { pino } from 'pino';
import { openEdge } from '../src/index.ts';

/** An edge in a process of its own, with one route to the stand-in guest. */
const [address = '127.0.0.2', port = '0'] = process.argv.slice(2);
const routes = new RouteRegistry();
routes.publish({
  sandboxId: 'ibench',
  teamId: 'bench',
  address,
  lifecycleId: 'life',
  allowPublicTraffic: true,
  httpsPorts: [],
  ports: [],
});
await openEdge({ routes, host: '127.0.0.1', port: Number(port), logger: pino({ level: 'silent' }) });
process.send?.('ready');
