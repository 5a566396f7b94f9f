import { QmpClient } from '@blk/qmp-client';

export async function backUp(path: string, target: string): Promise<void> {
  await using qmp = await QmpClient.connect({ path });
  const over = qmp.event('BLOCK_JOB_COMPLETED', ({ device }) => device === 'backup');
  await qmp.call('blockdev-backup', { 'job-id': 'backup', device: 'disk0', target, sync: 'full' });
  const { data } = await over;
  if (data.error !== undefined) throw new Error(data.error);
}
