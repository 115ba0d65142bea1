import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const COMPRESSES = /\.(js|css|svg)$/;

/** Writes `NAME.br` and `NAME.gz` beside each asset that gets smaller, so that no server has to. */
export function compress(): Plugin {
  return {
    name: 'compress',
    apply: 'build',
    async writeBundle({ dir = '' }, bundle) {
      const names = Object.keys(bundle).filter(name => COMPRESSES.test(name));
      await Promise.all(
        names.map(async name => {
          const plain = await readFile(join(dir, name));
          const made = {
            br: await promisify(brotliCompress)(plain),
            gz: await promisify(gzip)(plain, { level: 9 }),
          };
          for (const [suffix, bytes] of Object.entries(made)) {
            if (bytes.length < plain.length) await writeFile(join(dir, `${name}.${suffix}`), bytes);
          }
        }),
      );
    },
  };
}

/** Leaves out KaTeX's fonts in the two formats that no browser of the build's target asks for. */
export function onlyWoff2(): Plugin {
  return {
    name: 'only-woff2',
    enforce: 'pre',
    transform: {
      filter: { id: /katex.*\.css$/ },
      handler: code => code.replace(/,\s*url\([^)]+\.(woff|ttf)\) format\("[^"]+"\)/g, ''),
    },
  };
}
