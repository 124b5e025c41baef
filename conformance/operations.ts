/** One thing a client can do with a sandbox; a row of the table in docs/compatibility.md. */
export interface Operation {
  /** Drivers report under this name. */
  readonly id: string;
  readonly group: string;
  /** What is proved, in a few words. */
  readonly title: string;
  /** The calls on the wire behind it. */
  readonly wire: string;
}

const GROUPS: Record<string, readonly (readonly [id: string, title: string, wire: string])[]> = {
  'Life of a sandbox': [
    ['create', 'create, run a command, kill', 'POST /v2/sandboxes, POST /sandboxes'],
    ['create-options', 'metadata, environment variables and timeout take effect', 'POST /v2/sandboxes'],
    ['create-offline', 'without internet access nothing outside answers', 'POST /v2/sandboxes'],
    ['create-network', 'allow and deny lists hold from the first packet', 'POST /v2/sandboxes'],
    ['create-private', 'a private sandbox asks for its traffic token', 'POST /v2/sandboxes'],
    ['connect', 'connect by id and use the same files', 'POST /v2/sandboxes/{id}/connect'],
    ['list', 'list with state and metadata filters', 'GET /v2/sandboxes'],
    ['list-paging', 'list page by page', 'GET /v2/sandboxes'],
    ['info', 'details of one sandbox', 'GET /sandboxes/{id}'],
    ['is-running', 'tell whether it runs', 'GET /health on envd'],
    ['set-timeout', 'move the deadline both ways', 'POST /sandboxes/{id}/timeout'],
    ['expiry', 'the deadline ends the sandbox', 'deadline'],
    ['kill', 'kill; a second kill says there is nothing', 'DELETE /sandboxes/{id}'],
    ['metrics', 'CPU, memory and disk samples', 'GET /sandboxes/{id}/metrics'],
    ['logs', 'log lines of the sandbox', 'GET /sandboxes/{id}/logs, GET /v2/sandboxes/{id}/logs'],
    ['refresh', 'extend the deadline by a keep-alive', 'POST /sandboxes/{id}/refreshes'],
    ['network-update', 'replace the egress rules of a running sandbox', 'PUT /sandboxes/{id}/network'],
    ['error-template', 'an unknown template is named in the error', 'POST /v2/sandboxes'],
    ['error-key', 'a wrong key is an authentication error', 'any route'],
    ['error-unknown-sandbox', 'an unknown sandbox is a not-found error', 'any route'],
  ],
  Commands: [
    ['commands-run', 'output, exit code and error of a command', 'process.Process/Start'],
    ['commands-context', 'environment, directory and user of a command', 'process.Process/Start'],
    ['commands-background', 'background, list, connect, kill', 'process.Process/List, Connect, SendSignal'],
    ['commands-stdin', 'write to standard input and close it', 'process.Process/SendInput, CloseStdin'],
    ['commands-stream-input', 'stream standard input', 'process.Process/StreamInput'],
    ['commands-timeout', 'a command ends at its time limit', 'Connect-Timeout-Ms'],
    ['commands-large-output', '10 MB of output arrive complete', 'process.Process/Start'],
    ['commands-unicode', 'characters split over chunks arrive whole', 'process.Process/Start'],
    ['commands-callbacks', 'output is delivered while the command runs', 'process.Process/Start'],
  ],
  Terminals: [
    ['pty-input', 'open a terminal and type', 'process.Process/Start with pty, SendInput'],
    ['pty-resize', 'resize a terminal', 'process.Process/Update'],
    ['pty-connect', 'connect to an open terminal', 'process.Process/Connect'],
    ['pty-exit', 'exit code of a terminal', 'process.Process/Start with pty'],
    ['pty-kill', 'kill a terminal', 'process.Process/SendSignal'],
  ],
  Files: [
    ['files-text', 'write and read text', 'POST /files, GET /files'],
    ['files-bytes', 'write and read bytes, an empty file, another user', 'POST /files, GET /files'],
    ['files-stream', 'write from and read into a stream', 'POST /files, GET /files'],
    ['files-gzip', 'compressed both ways', 'POST /files, GET /files'],
    ['files-octet-stream', 'upload as a raw body', 'POST /files'],
    ['files-many', 'several files in one call', 'POST /files'],
    ['files-metadata', 'metadata of a file', 'X-Metadata-*'],
    ['files-large', '20 MB arrive unchanged', 'POST /files, GET /files'],
    ['files-list', 'list a directory to a depth', 'filesystem.Filesystem/ListDir'],
    ['files-info', 'exists and details, symbolic links', 'filesystem.Filesystem/Stat'],
    ['files-rename', 'rename', 'filesystem.Filesystem/Move'],
    ['files-remove', 'remove files and directories', 'filesystem.Filesystem/Remove'],
    ['files-make-dir', 'make directories with their parents', 'filesystem.Filesystem/MakeDir'],
    ['files-errors', 'a missing file and a directory are named errors', 'GET /files'],
  ],
  Watching: [
    ['watch', 'events of a directory', 'filesystem.Filesystem/WatchDir'],
    ['watch-recursive', 'events of new sub-directories', 'filesystem.Filesystem/WatchDir'],
    ['watch-entry', 'events that carry the entry', 'filesystem.Filesystem/WatchDir'],
    [
      'watch-polling',
      'events collected and polled',
      'filesystem.Filesystem/CreateWatcher, GetWatcherEvents, RemoveWatcher',
    ],
  ],
  Git: [
    ['git-commit', 'init, add, commit, status', 'process.Process/Start'],
    ['git-branches', 'branches', 'process.Process/Start'],
    ['git-clone', 'clone', 'process.Process/Start'],
  ],
  'Signed URLs': [
    ['signed-download', 'download without a token', 'GET /files?signature'],
    ['signed-upload', 'upload without a token', 'POST /files?signature'],
    ['signed-expired', 'an expired signature is refused', 'GET /files?signature_expiration'],
    ['signed-replay', 'a signature does not open another path', 'GET /files?signature'],
  ],
  'Hosts and ports': [
    ['port-open', 'a server in the sandbox answers', 'https://<port>-<id>.<domain>'],
    ['port-loopback', 'a server on loopback only answers', 'https://<port>-<id>.<domain>'],
    ['port-closed', 'a closed port is told from a missing sandbox', '502'],
    ['websocket', 'WebSocket', 'https://<port>-<id>.<domain>'],
    ['sse', 'server-sent events arrive one by one', 'https://<port>-<id>.<domain>'],
    ['mask-host', 'the sandbox sees the host name that its creator asked for', 'network.maskRequestHost'],
    ['https-port', 'a server that speaks TLS is reached', 'network.httpsPorts'],
  ],
  'Base template': [
    ['base-tools', 'python3, pip, venv, node, npm, git, curl, jq', 'template base'],
    ['base-sudo', 'sudo without a password', 'template base'],
    ['base-environment', 'E2B_* variables and files', 'template base'],
  ],
};

/** Every operation, in the order of the table. */
export const OPERATIONS: readonly Operation[] = Object.entries(GROUPS).flatMap(([group, rows]) =>
  rows.map(([id, title, wire]) => ({ id, group, title, wire })),
);
