/** What one check found. A failure names its cause and its cure. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failure';
  /** What is there, in a few words. */
  readonly found: string;
  /** Why that is not good. */
  readonly cause?: string;
  /** What to do about it. */
  readonly cure?: string;
}

export const ok = (name: string, found: string): Finding => ({ name, status: 'ok', found });

export const warning = (name: string, found: string, cause: string, cure: string): Finding => ({
  name,
  status: 'warning',
  found,
  cause,
  cure,
});

export const failure = (name: string, found: string, cause: string, cure: string): Finding => ({
  name,
  status: 'failure',
  found,
  cause,
  cure,
});
