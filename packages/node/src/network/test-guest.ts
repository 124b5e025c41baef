/**
 * What a guest of the tests runs inside its namespace. The task is the JSON in the first argument; results go to stdout,
 * a line each.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { decode, encode, type RecordType } from 'dns-packet';

export type GuestTask =
  /** Prints "echo", or the code of the error, or "silence". */
  | { readonly kind: 'tcp' | 'udp'; readonly host: string; readonly port: number; readonly source?: string }
  /** Prints "echo" for each echo of a byte sent every 50 ms on one connection, and the reason when it ends. */
  | { readonly kind: 'hold'; readonly host: string; readonly port: number }
  /** Sends a UDP packet to each of so many ports, then prints "done". */
  | { readonly kind: 'flood'; readonly host: string; readonly ports: number }
  /** Sends one byte by UDP and prints "tick" for each answer. */
  | { readonly kind: 'listen'; readonly host: string; readonly port: number }
  /** Sends a UDP packet every 50 ms to everybody who has sent one. */
  | { readonly kind: 'tick'; readonly host: string; readonly port: number }
  /** Prints the response code as a number and the data of the answers. */
  | { readonly kind: 'dns'; readonly host: string; readonly name: string; readonly type: RecordType }
  /** Echoes on TCP and UDP until its input ends; prints "ready". */
  | { readonly kind: 'serve'; readonly host: string; readonly ports: readonly number[] };

/** A packet that is dropped shows as silence; everything else answers within milliseconds. */
const SILENCE_MS = 700;

function report(line: string): never {
  process.stdout.write(`${line}\n`);
  process.exit(0);
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

function run(task: GuestTask): void {
  switch (task.kind) {
    case 'tcp': {
      const source = task.source === undefined ? {} : { localAddress: task.source };
      const socket = connect({ host: task.host, port: task.port, ...source }, () => socket.write('x'));
      socket.on('data', () => report('echo'));
      socket.on('error', (error) => report(codeOf(error)));
      setTimeout(() => report('silence'), SILENCE_MS);
      break;
    }
    case 'udp': {
      const socket = createSocket(task.host.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', () => report('echo'));
      socket.on('error', (error) => report(codeOf(error)));
      socket.connect(task.port, task.host, () => socket.send('x'));
      setTimeout(() => report('silence'), SILENCE_MS);
      break;
    }
    case 'hold': {
      const socket = connect({ host: task.host, port: task.port });
      socket.on('data', () => process.stdout.write('echo\n'));
      socket.on('error', (error) => report(codeOf(error)));
      setInterval(() => socket.write('x'), 50);
      break;
    }
    case 'flood': {
      const socket = createSocket('udp4');
      socket.on('error', () => undefined);
      const sendTo = (port: number): void => {
        if (port > task.ports) report('done');
        socket.send('x', port, task.host, () => sendTo(port + 1));
      };
      sendTo(1);
      break;
    }
    case 'listen': {
      const socket = createSocket('udp4');
      socket.on('message', () => process.stdout.write('tick\n'));
      socket.connect(task.port, task.host, () => socket.send('x'));
      break;
    }
    case 'tick': {
      const socket = createSocket('udp4');
      socket.on('error', () => undefined);
      socket.on('message', (_, from) => setInterval(() => socket.send('x', from.port, from.address), 50));
      socket.bind(task.port, task.host);
      break;
    }
    case 'dns': {
      const socket = createSocket('udp4');
      socket.on('message', (message) => {
        const answer = decode(message);
        const data = (answer.answers ?? []).map((record) => ('data' in record ? String(record.data) : ''));
        report([(answer.flags ?? 0) & 15, ...data].join(' '));
      });
      socket.on('error', (error) => report(codeOf(error)));
      socket.connect(53, task.host, () => {
        socket.send(encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name: task.name, type: task.type }] }));
      });
      setTimeout(() => report('silence'), 5 * SILENCE_MS);
      break;
    }
    case 'serve': {
      let opening = task.ports.length * 2;
      const opened = (): void => {
        opening -= 1;
        if (opening === 0) process.stdout.write('ready\n');
      };
      for (const port of task.ports) {
        createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(port, task.host, opened);
        const udp = createSocket(task.host.includes(':') ? 'udp6' : 'udp4');
        udp.on('message', (message, from) => udp.send(message, from.port, from.address));
        udp.bind(port, task.host, opened);
      }
      process.stdin.on('end', () => process.exit(0)).resume();
      break;
    }
  }
}

run(JSON.parse(process.argv[2] ?? '') as GuestTask);
