import type { RouteTable } from '@atoll/contract';
import type { Logger } from 'pino';

/** Bounds of the edge. Each has a default that suits one machine. */
export interface EdgeLimits {
  /** Requests and tunnels that may be open to one sandbox at once; -1 for no limit (default). */
  readonly connectionsPerSandbox: number;
  /** Header fields one request may have (default 256); more is answered 431. */
  readonly headerCount: number;
  /** Bytes all header fields of one request may take (default 64 KiB); more is answered 431. */
  readonly headerBytes: number;
  /** Hashes a second that may be spent to find the sandbox of a signed URL that names none (default 100,000). */
  readonly signatureHashesPerSecond: number;
}

export const DEFAULT_EDGE_LIMITS: EdgeLimits = {
  connectionsPerSandbox: -1,
  headerCount: 256,
  headerBytes: 64 * 1024,
  signatureHashesPerSecond: 100_000,
};

export interface EdgeOptions {
  /** Where the sandboxes are. */
  readonly routes: RouteTable;
  /** Address the plain port, and the TLS port if there is one, listens on. */
  readonly host: string;
  /** Plain HTTP port (HTTP/1.1 and HTTP/2 with prior knowledge); 0 takes a free one. */
  readonly port: number;
  /** Base domain of the domain form, `<port>-<id>.<domain>`. */
  readonly domain?: string;
  /** Further host names on which the routing headers are honoured, besides `localhost`, addresses and `sandbox.<x>`. */
  readonly sandboxHosts?: readonly string[];
  /** Where `api.<domain>` is forwarded to, e.g. `http://127.0.0.1:3000`; without it that name is not served. */
  readonly apiUrl?: string;
  /** HTTPS port with the files of a certificate for `<domain>` and `*.<domain>`; re-read when they change. */
  readonly tls?: { readonly port: number; readonly cert: string; readonly key: string };
  /** A DNS answer for `<domain>` and every name beneath it: always the IPv4 address `answer`. Needs `domain`. */
  readonly dns?: { readonly address: string; readonly port: number; readonly answer: string };
  readonly limits?: Partial<EdgeLimits>;
  readonly logger: Logger;
}

/** An open edge. */
export interface Edge {
  /** `http://<host>:<port>` as it can be reached on this machine. */
  readonly url: string;
  readonly port: number;
  /** `https://<host>:<port>`, when TLS was asked for. */
  readonly tlsUrl?: string;
  readonly tlsPort?: number;
  /** Port the DNS server answers on, when one was asked for. */
  readonly dnsPort?: number;
  /** Ends every connection and listener, and waits until they are gone. */
  close(): Promise<void>;
}
