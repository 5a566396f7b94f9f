/** What `--help` and `--version` print. */
import { PACKAGE_VERSION } from '../version.js';

export function versionText(program: string): string {
  return `${program} version ${PACKAGE_VERSION} (blk; QMP of QEMU 2.4)\n`;
}

export function helpText(program: string): string {
  return `Usage: ${program} [options]
QMP and NBD server of the block layer. Options are carried out in the order given.

  -h, --help             display this help and exit
  -V, --version          output version information and exit

  --blockdev [driver=]<driver>[,node-name=<N>][,discard=ignore|unmap]
             [,cache.direct=on|off][,cache.no-flush=on|off]
             [,read-only=on|off][,auto-read-only=on|off]
             [,force-share=on|off][,detect-zeroes=on|off|unmap]
             [,driver specific parameters...]
                         open a block node; JSON is taken as well

  -drive [file=]<file>,id=<id>[,if=none][,format=<F>][,readonly=on|off]
         [,cache=none|writeback|writethrough|directsync|unsafe]
         [,discard=ignore|unmap][,detect-zeroes=on|off|unmap]
         [,aio=threads|native|io_uring][,copy-on-read=on|off]
         [,rerror=report|ignore|stop][,werror=report|ignore|enospc|stop]
         [,throttling.bps-total|bps-read|bps-write|iops-total|iops-read|iops-write[-max[-length]]=<n>]
         [,throttling.iops-size=<bytes>][,throttling.group=<name>]
                         open a block device

  --chardev socket,id=<id>,path=<path>|host=<host>,port=<port>|fd=<fd>
            [,server=on|off][,wait=on|off][,reconnect=<seconds>][,tls-creds=<id>]
            [,allow-uid=<uid>[:<uid>]…][,allow-gid=<gid>[:<gid>]…]
  --chardev stdio,id=<id>
  --chardev null,id=<id>
                         open a character device for a monitor

  --monitor [chardev=]<id>[,mode=control][,pretty[=on|off]][,oob=on|off]
                         speak QMP on a character device
  -qmp unix:<path>|tcp:<host>:<port>|stdio[,server][,nowait]
                         the two above in one
  -qtest unix:path=<path>|tcp:<host>:<port>|chardev:<id>
                         let the other end own the clock of all rates: it stands
                         still until a line clock_step [<ns>] or clock_set <ns>

  --nbd-server addr.type=inet,addr.host=<host>,addr.port=<port>
               [,tls-creds=<id>][,max-connections=<n>]
  --nbd-server addr.type=unix,addr.path=<path>
               [,tls-creds=<id>][,max-connections=<n>]
                         start the NBD server

  --export [type=]nbd,id=<id>,node-name=<node-name>[,name=<export-name>]
           [,writable=on|off][,description=<text>]
                         give out a node over NBD

  --object secret,id=<id>,data=<text>|file=<path>[,format=raw|base64][,keyid=<id>,iv=<base64>]
  --object tls-creds-x509,id=<id>,endpoint=server|client,dir=<dir>[,verify-peer=on|off][,passwordid=<secret>]
  --object tls-creds-psk,id=<id>,endpoint=server|client,dir=<dir>[,username=<name>]
  --object tls-creds-anon,id=<id>,endpoint=server|client[,dir=<dir>]
  --object throttle-group,id=<id>[,limits.bps-total|bps-read|bps-write|iops-total|iops-read|iops-write[-max[-length]]=<n>]
           [,limits.iops-size=<bytes>]
                         make an object that other options refer to

  --daemonize            go to the background once everything is set up
  --pidfile <path>       write the process id to a file
`;
}
