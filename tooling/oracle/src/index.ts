/**
 * The reference tools, wrapped once for tests and benchmarks.
 *
 * @packageDocumentation
 */
export { findTool, needTool, skipUnless, type Requirement, type ToolName } from './tools.js';
export { environment, run, type RunOptions, type RunResult } from './run.js';
export { start, waitForSocket, type Running, type StartOptions, type WaitOptions } from './start.js';
export { tempDir, type TempDir } from './temp.js';
export { makeCertificates } from './certificates.js';
export { until } from './until.js';
export { descendants } from './descendants.js';
export { isListening } from './listening.js';
export { prng, type Prng } from './prng.js';
export { checkImage, createImage, expectContent, imageInfo, qemuImg, qemuIo, scribbleWithQemuIo, type QemuIoOptions } from './qemu-img.js';
export { startPyftpdlib, startVsftpd, type FtpServer, type FtpServerOptions } from './ftp-servers.js';
export { startNginx, type Nginx, type NginxOptions } from './nginx.js';
export { startLighttpd, type Lighttpd, type LighttpdOptions } from './lighttpd.js';
export { startTinyproxy, type Tinyproxy, type TinyproxyOptions } from './tinyproxy.js';
export { freePort } from './ports.js';
export { startQemuNbd, type QemuNbd, type QemuNbdOptions } from './qemu-nbd.js';
export { nbdcopy, nbdinfo, nbdUri, type NbdExportInfo, type NbdInfo } from './libnbd.js';
export { startSshAgent, startSshd, type SshAgent, type Sshd, type SshdOptions } from './sshd.js';
export { startStorageDaemon, type StorageDaemon, type StorageDaemonOptions } from './storage-daemon.js';
export { qmpClient, QmpError, type QmpClient, type QmpEvent } from './qmp.js';
export { fioNbd, type FioOptions, type FioResult } from './fio.js';
