/** Writes the documentation pages that are generated from code. */
import { writeFile } from 'node:fs/promises';
import { errorsPage } from '../packages/contract/src/errors-page.ts';

await writeFile(new URL('../docs/errors.md', import.meta.url), errorsPage());
