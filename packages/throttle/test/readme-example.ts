import { ThrottleGroup, ThrottleMember, UNLIMITED, type Clock } from '@blk/throttle';

export const clock: Clock = {
  now: () => performance.now() * 1e6,
  timer: (ms, callback) => {
    const id = setTimeout(callback, ms);
    return () => { clearTimeout(id); };
  },
};
const group = new ThrottleGroup('backups', clock);
group.setLimits({ ...UNLIMITED, 'bps-total': 50e6, 'iops-total': 1000 });

export const disk = new ThrottleMember();
disk.join(group);
if (!disk.admit('read', 65536)) await disk.wait('read', 65536);
