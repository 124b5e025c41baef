import type { Command } from '../command.ts';
import { startDetached } from '../server/detach.ts';
import { refuseUnlessRoot } from '../server/root.ts';

export const up: Command = {
  name: 'up',
  summary: 'Start the server: API, edge and sandboxes',
  flags: { detach: { type: 'boolean', description: 'Return when it is ready; the server goes on in the background' } },
  async run({ loaded, flags }) {
    refuseUnlessRoot('up');
    if (flags.detach === true) {
      const { banner } = await import('../server/banner.ts');
      const { state, tls } = await startDetached(loaded);
      process.stdout.write(banner(state, tls));
      return 0;
    }
    // Loaded here: everything a server needs is much for the commands that only ask about it.
    const { serve } = await import('../server/serve.ts');
    return serve(loaded.settings);
  },
};
