import { ERROR_CATALOGUE } from './errors.ts';

/** The page docs/errors.md: one row for each code of the catalogue, in its order. */
export function errorsPage(): string {
  const rows = Object.entries(ERROR_CATALOGUE).map(
    ([code, { status, fault, retry, remedy }]) =>
      `| \`${code}\` | ${status} | ${fault} | ${retry ? 'yes' : 'no'} | ${remedy} |`,
  );
  return `# Errors

Every error of the API has the body \`{"code": <HTTP status>, "message": "<what went wrong and why>", "error_code": "<code>"}\`.
This page is written from the catalogue in \`packages/contract/src/errors.ts\` by \`npm run docs\`.

\`Should-Retry\` tells clients whether the same request may be sent again. A \`user\` fault is cured by the caller, a \`system\`
fault by whoever runs the server.

| Code | HTTP status | Fault | Retry helps | What to do |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
