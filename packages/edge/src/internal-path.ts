/** envd's routes that only the control plane may call (protocol note envd, 2), and its log feed. */
const INTERNAL_PATHS = new Set([
  '/init',
  '/freeze',
  '/unfreeze',
  '/collapse',
  '/fsfreeze',
  '/fsthaw',
  '/upgrade',
  '/logs',
]);

/** Decoding rounds before a path counts as hostile; nobody needs more than one. */
const MAX_DECODINGS = 4;

/**
 * True when any reading of the path that a server could have leads to an internal route: percent codes (also nested),
 * empty and dot segments, back-slashes, path parameters, case, a closing slash. Being too strict costs nothing here,
 * since envd has no public route that looks like one of these.
 */
export function isInternalEnvdPath(target: string): boolean {
  let path = cutAtDelimiter(target);
  for (let round = 0; path.includes('%'); round += 1) {
    const decoded = decodeOnce(path);
    if (decoded === path) break;
    if (round === MAX_DECODINGS) return true;
    path = cutAtDelimiter(decoded);
  }
  return INTERNAL_PATHS.has(normalise(path));
}

function cutAtDelimiter(text: string): string {
  const end = text.search(/[?#;]/);
  return end === -1 ? text : text.slice(0, end);
}

/** Decodes single bytes only: enough for the ASCII names above, and never throws on bad codes. */
function decodeOnce(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function normalise(path: string): string {
  const kept: string[] = [];
  // Control characters and blanks: URL parsers drop some of them.
  for (const segment of path
    .toLowerCase()
    .replace(/[^\x21-\x7e]/g, '')
    .split(/[/\\]+/)) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') kept.pop();
    else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
