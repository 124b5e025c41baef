import { EnvdError } from '../errors.ts';

/**
 * Chooses between gzip and identity by `Accept-Encoding` (RFC 9110, 12.5.3). Ties go to gzip.
 * Throws status 406 when both are refused.
 */
export function chooseCoding(acceptEncoding: string | null): 'gzip' | 'identity' {
  if (acceptEncoding === null || acceptEncoding.trim() === '') return 'identity';
  const weights = new Map<string, number>();
  for (const part of acceptEncoding.split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (name !== '') weights.set(name === 'x-gzip' ? 'gzip' : name, weightOf(parameters));
  }
  const anything = weights.get('*');
  const gzip = weights.get('gzip') ?? anything ?? 0;
  const identity = weights.get('identity');
  if (gzip > 0 && gzip >= (identity ?? 0)) return 'gzip';
  if ((identity ?? anything ?? 1) > 0) return 'identity';
  throw new EnvdError('invalid_argument', `no acceptable encoding found for "${acceptEncoding}"`, { status: 406 });
}

function weightOf(parameters: readonly string[]): number {
  const text = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  if (text === undefined) return 1;
  const weight = Number(text);
  return Number.isFinite(weight) && weight >= 0 ? weight : 0;
}
