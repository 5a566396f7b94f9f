/** A certificate authority, a server and a client for one test, in a folder laid out as QEMU wants it. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.js';
import { needTool } from './tools.js';

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await run(needTool('openssl'), args);
  if (code !== 0) throw new Error(stderr);
}

/** Makes `server/` and `client/` below `folder`, and `stranger/`: a client that another authority signed. */
export async function makeCertificates(folder: string): Promise<{ server: string; client: string; stranger: string }> {
  const paths = { server: join(folder, 'server'), client: join(folder, 'client'), stranger: join(folder, 'stranger') };
  for (const path of Object.values(paths)) mkdirSync(path);
  await authority(folder, 'ca');
  await authority(folder, 'other');
  await signed(folder, 'ca', 'localhost', join(paths.server, 'server'));
  await signed(folder, 'ca', 'client', join(paths.client, 'client'));
  await signed(folder, 'other', 'stranger', join(paths.stranger, 'client'));
  for (const path of Object.values(paths)) copyFileSync(join(folder, 'ca-cert.pem'), join(path, 'ca-cert.pem'));
  return paths;
}

async function authority(folder: string, name: string): Promise<void> {
  await openssl(
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
    '-keyout', join(folder, `${name}-key.pem`), '-out', join(folder, `${name}-cert.pem`),
  );
}

async function signed(folder: string, by: string, name: string, out: string): Promise<void> {
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(extensions, 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n');
  await openssl(
    'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`,
    '-keyout', `${out}-key.pem`, '-out', request,
  );
  await openssl(
    'x509', '-req', '-in', request, '-CA', join(folder, `${by}-cert.pem`), '-CAkey', join(folder, `${by}-key.pem`),
    '-CAcreateserial', '-days', '2', '-extfile', extensions, '-out', `${out}-cert.pem`,
  );
}
