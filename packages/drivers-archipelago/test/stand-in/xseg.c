/*
 * A stand-in for libxseg in the tests: the few functions that the driver calls, with the layouts of version 0.4 on x86-64. A thread is mapper and composer
 * of one volume in memory. It is written from the interface alone and shares nothing with libxseg.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OP_READ = 1, OP_WRITE = 2, OP_TRUNCATE = 4, OP_CLONE = 9, OP_INFO = 11, OP_CLOSE = 15, OP_FLUSH = 20 };
enum { MAPPER = 1001, COMPOSER = 501, OURS = 1024, NO_PORT = -1 };
enum fault { NONE, FAILED, SHORT, UNTOLD, NO_DYNPORT, NO_SIGNALS, NO_ROOM, NO_TAKER };

#ifdef OTHER_LAYOUT
#define EXTRA
#else
#define EXTRA uint64_t extra;
#endif

struct request {
  uint64_t serial, offset, size, serviced;
  EXTRA
  uint64_t data, length, target;
  uint32_t target_length, op, state, flags, from, at, to, now;
  struct request *next;
};

struct port { uint64_t nothing; };
struct descriptor { char name[16]; int fd, flag; };

/* What addresses in requests count from. */
static char segment[64];
static struct port port;
static struct descriptor descriptor;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static struct request *queued, *answered;
static char directory[256], fifo[300], volume[257];
static unsigned char *content;
static uint64_t content_size;
static int running, bound, joined, signals, lent, stopping, fault, fault_op;

static void append(struct request **list, struct request *request) {
  while (*list) list = &(*list)->next;
  request->next = NULL;
  *list = request;
}

static struct request *take(struct request **list) {
  struct request *first = *list;
  if (first) *list = first->next;
  return first;
}

static void serve(struct request *request) {
  unsigned char *data = (unsigned char *)segment + request->data;
  int known = request->target_length == strlen(volume) && !memcmp(segment + request->target, volume, request->target_length);
  int inside = request->offset <= content_size && request->size <= content_size - request->offset && request->size == request->length;
  uint32_t peer = request->op == OP_READ || request->op == OP_WRITE || request->op == OP_FLUSH || request->op == OP_CLOSE ? COMPOSER : MAPPER;
  request->state = 2;
  if (!known || request->to != peer || (fault == FAILED && request->op == (uint32_t)fault_op)) return;
  if (request->op == OP_INFO) {
    /* The peer may give a request other memory for its data. */
    unsigned char *other = malloc(8);
    memcpy(other, &content_size, 8);
    free(data);
    request->data = (uint64_t)other - (uint64_t)segment;
    request->length = 8;
  } else if (request->op == OP_READ || request->op == OP_WRITE) {
    if (!inside) return;
    if (request->op == OP_READ) memcpy(data, content + request->offset, request->size);
    else memcpy(content + request->offset, data, request->size);
    request->serviced = request->size - (fault == SHORT ? 1 : 0);
  } else if (request->op == OP_TRUNCATE) {
    unsigned char *larger = calloc(1, request->offset);
    memcpy(larger, content, request->offset < content_size ? request->offset : content_size);
    free(content);
    content = larger;
    content_size = request->offset;
  } else if (request->op == OP_CLONE) {
    if (request->length != 272) return;
    memcpy(&content_size, data + 264, 8);
    free(content);
    content = calloc(1, content_size);
  }
  request->state = 1;
}

static void *run(void *nothing) {
  pthread_mutex_lock(&lock);
  while (!stopping) {
    struct request *request = take(&queued);
    if (!request) {
      pthread_cond_wait(&more, &lock);
      continue;
    }
    serve(request);
    append(&answered, request);
    if (descriptor.flag && fault != UNTOLD) {
      int fd = open(fifo, O_WRONLY | O_NONBLOCK);
      if (fd >= 0) {
        if (write(fd, "a", 1) < 0) perror("write");
        close(fd);
      }
    }
  }
  pthread_mutex_unlock(&lock);
  return nothing;
}

/* For the tests. */
void stand_in_set(const char *folder, const char *name, uint64_t size) {
  snprintf(directory, sizeof directory, "%s", folder);
  snprintf(volume, sizeof volume, "%s", name);
  free(content);
  content = calloc(1, size);
  content_size = size;
}
void stand_in_fault(int what, int op) { fault = what; fault_op = op; }
/* Bits: 1 joined, 2 bound, 4 signals, 8 requests are lent. */
int stand_in_left(void) { return joined | bound << 1 | signals << 2 | (lent > 0) << 3; }

int xseg_initialize(void) { return 0; }

void *xseg_join(const char *type, const char *name, const char *peer, void *wake_up) {
  if (strcmp(type, "posix") || strcmp(name, "archipelago") || strcmp(peer, "posixfd") || wake_up || joined) return NULL;
  joined = 1;
  stopping = 0;
  running = !pthread_create(&thread, NULL, run, NULL);
  return segment;
}

void xseg_leave(void *xseg) {
  pthread_mutex_lock(&lock);
  stopping = 1;
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
  if (running) pthread_join(thread, NULL);
  joined = running = xseg != segment;
}

void *xseg_bind_dynport(void *xseg) {
  if (xseg != segment || bound || fault == NO_DYNPORT) return NULL;
  bound = 1;
  descriptor.fd = -1;
  return &port;
}
int xseg_leave_dynport(void *xseg, void *which) { return bound = xseg != segment || which != &port; }
uint32_t xseg_portno_nonstatic(void *xseg, void *which) { return xseg == segment && which == &port ? OURS : (uint32_t)NO_PORT; }
void *xseg_get_signal_desc_nonstatic(void *xseg, void *which) { return xseg == segment && which == &port ? &descriptor : NULL; }

int xseg_init_local_signal(void *xseg, uint32_t number) {
  if (xseg != segment || number != OURS || fault == NO_SIGNALS) return -1;
  memcpy(descriptor.name, "00112233aabbccdd", 16);
  snprintf(fifo, sizeof fifo, "%s/%.16s", directory, descriptor.name);
  if (mkfifo(fifo, 0600)) return -1;
  descriptor.fd = open(fifo, O_RDONLY | O_NONBLOCK);
  descriptor.flag = 0;
  signals = 1;
  return 0;
}

void xseg_quit_local_signal(void *xseg, uint32_t number) {
  if (xseg != segment || number != OURS) return;
  close(descriptor.fd);
  unlink(fifo);
  descriptor.fd = -1;
  signals = 0;
}

int xseg_prepare_wait(void *xseg, uint32_t number) {
  char bytes[512];
  if (xseg != segment || number != OURS) return -1;
  descriptor.flag = 1;
  while (read(descriptor.fd, bytes, sizeof bytes) > 0) continue;
  return 0;
}

struct request *xseg_get_request(void *xseg, uint32_t from, uint32_t to, uint32_t flags) {
  if (xseg != segment || from != OURS || flags != 1 || fault == NO_ROOM) return NULL;
  struct request *request = malloc(sizeof *request);
  /* As memory that was used before. */
  memset(request, 0xa5, sizeof *request);
  request->from = from;
  request->to = to;
  request->data = request->target = 0;
  lent++;
  return request;
}

int xseg_prep_request(void *xseg, struct request *request, uint32_t target_length, uint64_t length) {
  if (xseg != segment) return -1;
  request->data = (uint64_t)malloc(length + 1) - (uint64_t)segment;
  request->target = (uint64_t)malloc(target_length + 1) - (uint64_t)segment;
  request->length = length;
  request->target_length = target_length;
  return 0;
}

char *xseg_get_data_nonstatic(void *xseg, struct request *request) { return (char *)xseg + request->data; }
char *xseg_get_target_nonstatic(void *xseg, struct request *request) { return (char *)xseg + request->target; }

uint32_t xseg_submit(void *xseg, struct request *request, uint32_t number, uint32_t flags) {
  if (xseg != segment || number != OURS || flags != 1 || fault == NO_TAKER) return NO_PORT;
  pthread_mutex_lock(&lock);
  append(&queued, request);
  pthread_mutex_unlock(&lock);
  return request->to;
}

int xseg_signal(void *xseg, uint32_t number) {
  if (xseg != segment || (number != MAPPER && number != COMPOSER)) return -1;
  pthread_mutex_lock(&lock);
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
  return 0;
}

struct request *xseg_receive(void *xseg, uint32_t number, uint32_t flags) {
  if (xseg != segment || number != OURS || flags) return NULL;
  pthread_mutex_lock(&lock);
  struct request *request = take(&answered);
  pthread_mutex_unlock(&lock);
  return request;
}

int xseg_put_request(void *xseg, struct request *request, uint32_t number) {
  if (xseg != segment || number != OURS) return -1;
  if (request->data) free(segment + request->data);
  if (request->target) free(segment + request->target);
  memset(request, 0x5a, sizeof *request);
  free(request);
  lent--;
  return 0;
}
