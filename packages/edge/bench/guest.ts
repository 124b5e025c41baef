import { createServer } from 'node:http';

/** A stand-in for a program in a sandbox: small answers, endless downloads of `?bytes=`, uploads that are counted. */
const [address = '127.0.0.2', port = '8080'] = process.argv.slice(2);
const block = Buffer.alloc(256 * 1024, 'x');

const server = createServer({ highWaterMark: 512 * 1024 }, (request, response) => {
  const bytes = Number(new URL(request.url ?? '/', 'http://guest').searchParams.get('bytes') ?? 0);
  if (request.method === 'POST') {
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => response.end(String(received)));
    return;
  }
  if (bytes === 0) {
    response.end('ok');
    return;
  }
  response.setHeader('Content-Length', bytes);
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const chunk = left >= block.length ? block : block.subarray(0, left);
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
});
server.listen(Number(port), address, () => process.send?.('ready'));
