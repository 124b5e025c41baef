import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrorsOf } from './debian-sources.ts';

const DEB822 = `Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main contrib
`;

test('a guest gets the mirrors of a Debian host written in deb822', () => {
  assert.deepEqual(mirrorsOf([DEB822], 'bookworm'), [
    { uri: 'http://mirror.example/debian', suite: 'bookworm' },
    { uri: 'http://mirror.example/debian', suite: 'bookworm-updates' },
    { uri: 'http://mirror.example/debian-security', suite: 'bookworm-security' },
  ]);
});

test('a guest gets the mirrors of a host of another release with its own release in them', () => {
  const text = 'deb [arch=amd64 signed-by=/x.gpg] https://near.example/debian/ trixie main contrib\n';
  assert.deepEqual(mirrorsOf([text], 'trixie'), [{ uri: 'https://near.example/debian', suite: 'bookworm' }]);
});

test('archives of third parties, disabled ones and sources are not taken for mirrors', () => {
  const text = [
    'deb https://packages.example/apt bookworm-pgdg main',
    'deb https://packages.example/node nodistro main',
    'deb-src http://mirror.example/debian bookworm main',
    '# deb http://mirror.example/debian bookworm main',
    'deb cdrom:[Debian]/ bookworm main',
  ].join('\n');
  assert.deepEqual(mirrorsOf([text, `Enabled: no\n${DEB822.split('\n\n')[0]}`], 'bookworm'), []);
});
