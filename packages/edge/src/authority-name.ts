/** X.520 bounds common names. */
export const MAX_COMMON_NAME = 64;

/** The subject of the private CA of a domain. */
export function authorityName(domain: string): string {
  return `CN=${`Atoll CA ${domain}`.slice(0, MAX_COMMON_NAME)}`;
}
