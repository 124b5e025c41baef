import type { OpenApiOperation, openApiDocument } from '@atoll/contract/rest';

type Document = ReturnType<typeof openApiDocument>;

interface Shape {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly additionalProperties?: Shape | boolean;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
code, .method { font-family: ui-monospace, monospace; font-size: .92em; }
.method { display: inline-block; width: 4.2rem; font-weight: 600; text-transform: uppercase; }
.deprecated > summary code { text-decoration: line-through; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { border-bottom: 1px solid var(--line); text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; }
small { opacity: .75; }`;

/** One HTML page that shows an OpenAPI document: no scripts, nothing loaded from anywhere. */
export function docsPage(document: Document): string {
  const byTag = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0] ?? 'other';
      const blocks = byTag.get(tag) ?? [];
      blocks.push(operationBlock(method, path, operation));
      byTag.set(tag, blocks);
    }
  }
  const sections = [...byTag].map(([tag, blocks]) => `<h2>${escapeHtml(tag)}</h2>\n${blocks.join('\n')}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(document.info.title)} API</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(document.info.title)} API <small>${escapeHtml(document.info.version)}</small></h1>
<p>${escapeHtml(document.info.description)} The same as data: <a href="/openapi.json">/openapi.json</a>.</p>
<p>Send an API key in <code>X-API-Key</code>, or an access token in <code>Authorization: Bearer</code>.
Errors have the body <code>{"code", "message", "error_code"}</code>.</p>
${sections.join('\n')}
</body></html>
`;
}

function operationBlock(method: string, path: string, operation: OpenApiOperation): string {
  const parameters = operation.parameters ?? [];
  const body = operation.requestBody?.content['application/json']?.schema as Shape | undefined;
  const answers = Object.entries(operation.responses).map(([status, answer]) => answerRows(status, answer));
  return `<details${operation.deprecated ? ' class="deprecated"' : ''}><summary><span class="method">${method}</span>
<code>${escapeHtml(path)}</code> <small>${escapeHtml(operation.summary)}</small></summary>
${parameters.length > 0 ? table('Parameters', parameters.map((one) => row(`${one.name} (${one.in})`, one.schema as Shape, one.required)).join('')) : ''}
${body ? table('Body', fieldRows(body, '')) : ''}
${table('Answers', answers.join(''))}
<p><small>Credentials: ${escapeHtml(operation.security.map((one) => Object.keys(one).join(' + ')).join(', or ') || 'none')}</small></p></details>`;
}

function answerRows(status: string, answer: object): string {
  const { description, content } = answer as {
    description: string;
    content?: Record<string, { schema: Shape & { $ref?: string } }>;
  };
  const schema = content?.['application/json']?.schema;
  const fields = schema && schema.$ref === undefined ? fieldRows(schema.items ?? schema, '') : '';
  const kind = schema === undefined ? 'empty' : schema.$ref ? 'error' : typeName(schema);
  return `<tr><td><b>${escapeHtml(status)}</b></td><td>${escapeHtml(kind)}</td><td>${escapeHtml(description)}</td></tr>${fields}`;
}

function fieldRows(schema: Shape, prefix: string): string {
  const shape = schema.properties ? schema : (schema.anyOf?.find((one) => one.properties) ?? schema);
  return Object.entries(shape.properties ?? {})
    .map(([name, property]) => {
      const inner = property.items ?? property;
      const deeper = fieldRows(inner, `${prefix}${name}.`);
      return row(`${prefix}${name}`, property, shape.required?.includes(name) ?? false) + deeper;
    })
    .join('');
}

function row(name: string, shape: Shape, isRequired: boolean): string {
  const notes = [
    shape.description ?? '',
    shape.default === undefined ? '' : `Default: ${JSON.stringify(shape.default)}.`,
    isRequired ? 'Required.' : '',
  ];
  return `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(typeName(shape))}</td><td>${escapeHtml(notes.filter(Boolean).join(' '))}</td></tr>`;
}

function typeName(shape: Shape): string {
  if (shape.anyOf) return shape.anyOf.map(typeName).join(' or ');
  if (shape.enum) return shape.enum.map((one) => JSON.stringify(one)).join(' | ');
  if (shape.type === 'array') return `list of ${shape.items ? typeName(shape.items) : 'anything'}`;
  if (shape.type === 'object' && typeof shape.additionalProperties === 'object') {
    return `map to ${typeName(shape.additionalProperties)}`;
  }
  return shape.format ?? shape.type ?? 'anything';
}

function table(title: string, rows: string): string {
  return `<table><tr><th colspan="3">${title}</th></tr>${rows}</table>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
