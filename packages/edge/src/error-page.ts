import { STATUS_CODES } from 'node:http';
import type { Refusal } from './refusal.ts';

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Text with `code` between back-ticks. */
function inline(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

const STYLE = `:root{color-scheme:light dark;--ink:#16202a;--soft:#5b6b7a;--line:#d5dde5;--back:#f6f8fa;--card:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eef4;--soft:#93a4b4;--line:#2b3844;--back:#0f161c;--card:#17212a}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:34rem;margin:1rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
h1{margin:0 0 .5rem;font-size:1.4rem}p{margin:.5rem 0}ul{padding-left:1.2rem}
code,dd{font-family:ui-monospace,monospace;font-size:.9em}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1.5rem 0 0;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}`;

/** A page that needs nothing else: what happened, what to do next, and the facts. */
export function errorPage(refusal: Refusal): string {
  const advice = refusal.advice.map((line) => `<li>${inline(line)}</li>`).join('');
  const facts = { ...refusal.details, status: `${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}`.trim() };
  const list = Object.entries(facts)
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}</dd>`)
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(refusal.title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escapeHtml(refusal.title)}</h1><p>${inline(refusal.message)}.</p>${advice === '' ? '' : `<ul>${advice}</ul>`}<dl>${list}</dl></main></body></html>
`.replace('..</p>', '.</p>');
}
