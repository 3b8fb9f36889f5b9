/* A stand-in for Rockchip's librknnrt.so, for tests and benchmarks: no NPU and nothing of the vendor's.
 *
 * It has the functions that the rknn-toolkit-lite2 wheel and yolorknn/runtime/rknnrt.py call through ctypes, declared here as
 * far as they use them. Shapes, types, quantization and platform come from the real .rknn it is given (layout:
 * yolorknn/model/rknn_file.py). Its CPU does what the real one's does: inputs of any type and layout become the model's own,
 * outputs lie as the NPU leaves them (NC1HWC2) and are laid out, and made float where that is asked for, at each
 * rknn_outputs_get. What they are is recorded and found by the crc32 of the input (as uint8 NHWC, where it is an image), or
 * one number per input where nothing is recorded. Inputs of another size than the model's are refused.
 *
 *   STANDIN_LOG     file for one JSON line per call; the calls are counted anew when it changes
 *   STANDIN_REPLAY  recorded outputs: "YKRP", then per record: u32 crc32 (0: for any input), u32 number of floats, the floats
 *                   of all outputs
 *   STANDIN_SOC     the chip; default: the last name in /proc/device-tree/compatible
 *   STANDIN_MS      how long one rknn_run holds its core, in ms; a core does one after the other, without a pause
 *   STANDIN_CONVERT_MS  how long rknn_outputs_get takes at least, in ms, as on a board's slower CPU
 *   STANDIN_FAIL    faults, comma-separated: FUNCTION:CODE[@K[+]] returns CODE at the K-th call of the process (and all
 *                   after it with +; without @K at every call); coreN:MS[@K[+]] hangs core N for MS ms at its K-th run,
 *                   or until there is a file named as STANDIN_LOG with .go behind it; hang_FUNCTION:MS[@K[+]] hangs a call so
 *   STANDIN_DEAF    1: rknn_run does not look at the time-out it is given
 *   STANDIN_STALE   1: after a failed rknn_run the outputs are those of the frame before; 2: of every run
 *   STANDIN_UNNUMBERED  1: no frame ids are written; 2: a run's is one more than that of its outputs
 *   STANDIN_GARBLE  N: what rknn_query answers ends after N bytes, the rest is 0xFF
 *   STANDIN_API     the version the library says it has
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
enum { MAX_DIMS = 16, MAX_NAME = 256, MAX_TENSORS = 32, MAX_CONTEXTS = 256, MAX_CORES = 3 };
enum { FAILED = -1, BAD_PARAMETER = -5, BAD_MODEL = -6, BAD_CONTEXT = -7, BAD_INPUT = -8, BAD_OUTPUT = -9, BAD_PLATFORM = -13 };
enum { TIMED_OUT = -2 };
enum { QUERY_COUNTS = 0, QUERY_INPUT = 1, QUERY_OUTPUT = 2, QUERY_DURATION = 4, QUERY_VERSION = 5, QUERY_MEMORY = 6,
       QUERY_DYNAMIC_RANGE = 13, QUERY_CURRENT_INPUT = 14, QUERY_CURRENT_OUTPUT = 15 };
enum { TYPE_FLOAT32, TYPE_FLOAT16, TYPE_INT8, TYPE_UINT8, TYPE_INT16, TYPE_UINT16, TYPE_INT32, TYPE_UINT32, TYPE_INT64, TYPE_BOOL, TYPES };
static const uint32_t type_size[TYPES] = { 4, 2, 1, 1, 2, 2, 4, 4, 8, 1 };
enum { NCHW = 0, NHWC = 1 };
enum { NO_QUANTIZATION = 0, AFFINE = 2 };
enum { BLOCK = 16 }; /* channels that lie together in the NPU's memory: C2 of NC1HWC2 */

typedef struct {
    uint32_t index, n_dims, dims[MAX_DIMS];
    char name[MAX_NAME];
    uint32_t n_elems, size;
    int32_t format, type, quantization;
    int8_t fl;
    int32_t zero_point;
    float scale;
    uint32_t w_stride, size_with_stride;
    uint8_t pass_through;
    uint32_t h_stride;
} Tensor;
typedef struct { uint32_t index; void *data; uint32_t size; uint8_t pass_through; int32_t type, format; } Input;
typedef struct { uint8_t want_float, preallocated; uint32_t index; void *data; uint32_t size; } Output;
typedef struct { uint32_t inputs, outputs; } Counts;
typedef struct { char api[256], driver[256]; } Version;
typedef struct { uint32_t weights, internal; uint64_t dma; uint32_t sram, free_sram, reserved[10]; } Memory;
typedef struct { uint64_t frame_id; int32_t non_block, timeout_ms, fence_fd; } RunExtend;
typedef struct { uint64_t frame_id; } OutputExtend;

typedef struct {
    int live, cores; /* cores: the mask */
    Tensor in[MAX_TENSORS], out[MAX_TENSORS];
    float mean[MAX_TENSORS][4], std[MAX_TENSORS][4]; /* of each input's channels, where it is an image */
    int n_in, n_out;
    uint32_t total; /* floats of all outputs */
    uint32_t file_size;
    uint64_t shares;        /* whose weights it has, where they are another context's */
    uint8_t *npu_input;     /* the converted inputs, one behind the other */
    uint32_t crc;           /* of the inputs that are set */
    int set, ran;
    const uint8_t *answer;  /* of the last frame that ran: its outputs as the NPU leaves them */
    uint8_t *own_answer;    /* made for this context, where nothing is recorded */
    uint64_t frame, answered; /* ids of the last run, and of the run whose outputs are there */
    int64_t duration_us;
    int busy;
} Context;
static Context contexts[MAX_CONTEXTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* contexts and counters */
static pthread_mutex_t core_lock = PTHREAD_MUTEX_INITIALIZER;
static double core_free[MAX_CORES]; /* when each has done all that was asked of it */
static double core_late[MAX_CORES]; /* seconds that the last wait for it overslept, which no NPU does */

/* ---- log, counters, faults ---- */

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    const char *path = getenv("STANDIN_LOG");
    if (!path || !*path) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (n > (int)sizeof line - 2) n = sizeof line - 2;
    line[n++] = '\n';
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return;
    if (write(file, line, n) != n) perror("stand-in log");
    close(file);
}

static void complain(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "E RKNN: stand-in: %s\n", text);
    fflush(stderr);
}

static struct { char name[40]; long calls; } counters[64];
static char counted_for[512];

/* Return the fault asked for this call of `name`, or 0. */
static int fault(const char *name)
{
    const char *log = getenv("STANDIN_LOG"), *wanted = getenv("STANDIN_FAIL");
    pthread_mutex_lock(&lock);
    if (strncmp(counted_for, log ? log : "", sizeof counted_for - 1)) {
        snprintf(counted_for, sizeof counted_for, "%s", log ? log : "");
        memset(counters, 0, sizeof counters);
    }
    int i = 0;
    while (counters[i].name[0] && strcmp(counters[i].name, name)) i++;
    snprintf(counters[i].name, sizeof counters[i].name, "%s", name);
    long call = ++counters[i].calls;
    pthread_mutex_unlock(&lock);
    size_t length = strlen(name);
    for (const char *p = wanted; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, name, length) || p[length] != ':') continue;
        char *rest;
        int code = (int)strtol(p + length + 1, &rest, 10);
        if (*rest != '@') return code;
        long at = strtol(rest + 1, &rest, 10);
        if (call == at || (*rest == '+' && call > at)) return code;
    }
    return 0;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void hold_until(double end)
{
    struct timespec at = { (time_t)end, (long)((end - floor(end)) * 1e9) };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
}

static void hold(long ms)
{
    if (ms > 0) hold_until(seconds_now() + (double)ms / 1000);
}

static double milliseconds(const char *variable)
{
    const char *text = getenv(variable);
    return text ? atof(text) : 0;
}

/* Hang; return whether `limit_ms`, where it is above 0, ended it. */
static int hang(long ms, long limit_ms)
{
    char path[512];
    snprintf(path, sizeof path, "%s.go", getenv("STANDIN_LOG") ? getenv("STANDIN_LOG") : "");
    for (long left = ms; left > 0 && access(path, F_OK); left -= 10) {
        if (limit_ms > 0 && ms - left >= limit_ms) return 1;
        hold(10);
    }
    return 0;
}

/* Return the fault asked for this call of a function, after the hang asked for it. */
static int begin(const char *function)
{
    char name[40];
    snprintf(name, sizeof name, "hang_%s", function);
    hang(fault(name), 0);
    return fault(function);
}

/* ---- JSON and Python literals, enough of both ---- */

static const char *blank(const char *p) { while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r') p++; return p; }

/* Return what follows the value at p. */
static const char *skip(const char *p)
{
    p = blank(p);
    if (*p == '\'' || *p == '"') {
        char quote = *p++;
        while (*p && *p != quote) p += *p == '\\' && p[1] ? 2 : 1;
        return *p ? p + 1 : p;
    }
    if (*p == '{' || *p == '[' || *p == '(') {
        p = blank(p + 1);
        while (*p && !strchr("}])", *p)) {
            p = blank(skip(p));
            if (*p == ',' || *p == ':') p = blank(p + 1);
        }
        return *p ? p + 1 : p;
    }
    while (*p && !strchr(",:}])", *p)) p++;
    return p;
}

/* Step through an object or a list: *at begins as its bracket; key is NULL in a list. */
static int next(const char **at, int keyed, const char **key, const char **value)
{
    const char *p = blank(*at);
    if (*p == '{' || *p == '[' || *p == '(' || *p == ',') p = blank(p + 1);
    if (!*p || strchr("}])", *p)) return 0;
    if (keyed) {
        *key = p;
        p = blank(skip(p));
        if (*p != ':') return 0;
        p = blank(p + 1);
    }
    *value = p;
    *at = blank(skip(p));
    return **at == ',' || **at == '}' || **at == ']' || **at == ')';
}

static int is(const char *text, const char *word)
{
    size_t n = strlen(word);
    return text && (*text == '\'' || *text == '"') && !strncmp(text + 1, word, n) && text[n + 1] == *text;
}

static const char *member(const char *object, const char *name)
{
    const char *key, *value;
    if (!object || *object != '{') return NULL;
    for (const char *at = object; next(&at, 1, &key, &value);)
        if (is(key, name)) return value;
    return NULL;
}

/* ---- the model ---- */

static double number(const char *list, int at, double otherwise)
{
    const char *value;
    for (; list && next(&list, 0, NULL, &value); at--)
        if (!at) return atof(value);
    return otherwise;
}

static int read_tensor(Tensor *t, const char *key, const char *attr, const char *norm, const char *range)
{
    const char *idx = member(attr, "idx"), *shape = member(attr, "shape"), *side, *entry;
    size_t n = skip(key) - key - 2;
    if (!idx || !shape || n >= MAX_NAME) return BAD_MODEL;
    memset(t, 0, sizeof *t);
    memcpy(t->name, key + 1, n);
    t->index = (uint32_t)atoi(idx);
    t->n_elems = 1;
    for (const char *at = shape; next(&at, 0, NULL, &side);) {
        if (t->n_dims == MAX_DIMS) return BAD_MODEL;
        t->dims[t->n_dims++] = (uint32_t)atoi(side);
        t->n_elems *= (uint32_t)atoi(side);
    }
    t->type = TYPE_FLOAT16;
    t->scale = 1;
    for (const char *at = norm; norm && next(&at, 0, NULL, &entry);)
        if (is(member(entry, "url"), t->name) && is(member(member(entry, "dtype"), "qnt_type"), "int8")) t->type = TYPE_INT8;
    if (t->type == TYPE_INT8) {
        double least = fmin(0, number(member(range, "min"), 0, 0)), most = fmax(0, number(member(range, "max"), 0, 1));
        t->quantization = AFFINE;
        t->scale = (float)((most > least ? most - least : 1) / 255);
        t->zero_point = (int32_t)lrint(-128 - least / t->scale);
    }
    t->size = t->size_with_stride = t->n_elems * type_size[t->type];
    return 0;
}

static int parse(Context *x, const char *body, const char *trailer, const char *soc)
{
    const char *norm = member(trailer, "norm_tensor"), *platforms = member(trailer, "target_platform"), *key, *value;
    const char *attrs = member(body, "attrs"), *ranges = member(body, "quant_tab");
    int fits = 0;
    if (!attrs || !norm || !platforms) return BAD_MODEL;
    for (const char *at = attrs; next(&at, 1, &key, &value);) {
        Tensor t;
        char name[MAX_NAME] = "";
        snprintf(name, sizeof name, "%.*s", (int)(skip(key) - key - 2), key + 1);
        int code = read_tensor(&t, key, value, norm, member(ranges, name));
        if (code) return code;
        const char *output = member(value, "is_output");
        if (t.index >= MAX_TENSORS) return BAD_MODEL;
        if (output && *output == 'T') {
            x->out[t.index] = t;
            x->n_out++;
            x->total += t.n_elems;
        } else {
            if (t.n_dims == 4) { /* the runtime says NHWC of what the model holds as NCHW */
                uint32_t channels = t.dims[1];
                t.dims[1] = t.dims[2], t.dims[2] = t.dims[3], t.dims[3] = channels;
                t.format = NHWC;
                t.w_stride = t.dims[2];
            }
            for (int c = 0; c < 4; c++) {
                x->mean[t.index][c] = (float)number(member(value, "mean"), c, number(member(value, "mean"), 0, 0));
                x->std[t.index][c] = (float)number(member(value, "std"), c, number(member(value, "std"), 0, 1));
            }
            x->in[t.index] = t;
            x->n_in++;
        }
    }
    for (const char *at = platforms; next(&at, 0, NULL, &value);) fits |= is(value, soc);
    if (!x->n_in || !x->n_out) return BAD_MODEL;
    if (!fits) { complain("the model is not for %s", soc); return BAD_PLATFORM; }
    return 0;
}

static void this_soc(char *name, size_t size)
{
    const char *given = getenv("STANDIN_SOC");
    char text[512] = "";
    if (given) { snprintf(name, size, "%s", given); return; }
    FILE *file = fopen("/proc/device-tree/compatible", "rb");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    for (size_t i = 0; i < n; i += strlen(text + i) + 1)
        snprintf(name, size, "%s", strrchr(text + i, ',') ? strrchr(text + i, ',') + 1 : text + i);
}

static int read_model(Context *x, const uint8_t *data, uint64_t size)
{
    char soc[64] = "";
    uint64_t body, length;
    this_soc(soc, sizeof soc);
    if (size < 72 || memcmp(data, "RKNN", 4)) { complain("not an RKNN model"); return BAD_MODEL; }
    memcpy(&body, data + 16, 8);
    if (body > size - 72) { complain("the model is truncated"); return BAD_MODEL; }
    memcpy(&length, data + 64 + body, 8);
    if (length > size - 72 - body) { complain("the model is truncated"); return BAD_MODEL; }
    const char *attrs = memmem(data + 64, body, "{'attrs'", 8);
    if (!attrs) return BAD_MODEL;
    char *text = strndup(attrs, (const char *)data + 64 + body - attrs);
    char *trailer = strndup((const char *)data + 72 + body, length);
    int code = parse(x, text, blank(trailer), soc);
    free(text);
    free(trailer);
    return code;
}

/* ---- numbers of any type ---- */

static float get(const void *from, uint32_t i, int type)
{
    switch (type) {
    case TYPE_FLOAT32: return ((const float *)from)[i];
    case TYPE_FLOAT16: return (float)((const _Float16 *)from)[i];
    case TYPE_INT8: return ((const int8_t *)from)[i];
    case TYPE_UINT8: case TYPE_BOOL: return ((const uint8_t *)from)[i];
    case TYPE_INT16: return ((const int16_t *)from)[i];
    case TYPE_UINT16: return ((const uint16_t *)from)[i];
    case TYPE_INT32: return (float)((const int32_t *)from)[i];
    case TYPE_UINT32: return (float)((const uint32_t *)from)[i];
    default: return (float)((const int64_t *)from)[i];
    }
}

static int8_t quantize(float value, const Tensor *t)
{
    float number = rintf(value / t->scale) + (float)t->zero_point;
    return (int8_t)fmaxf(-128, fminf(127, number));
}

static void put(void *to, uint32_t i, float value, const Tensor *t)
{
    if (t->type == TYPE_INT8) ((int8_t *)to)[i] = quantize(value, t);
    else ((_Float16 *)to)[i] = (_Float16)value;
}

/* Planes of an output: one image's channels, and the numbers of each. */
static void planes(const Tensor *t, uint32_t *batch, uint32_t *channels, uint32_t *area)
{
    *batch = t->n_dims == 4 ? t->dims[0] : 1;
    *channels = t->n_dims == 4 ? t->dims[1] : 1;
    *area = t->n_elems / (*batch * *channels);
}

/* Bytes of an output as the NPU leaves it. */
static size_t npu_size(const Tensor *t)
{
    uint32_t batch, channels, area;
    planes(t, &batch, &channels, &area);
    if (channels == 1) return (size_t)t->n_elems * type_size[t->type];
    return (size_t)batch * ((channels + BLOCK - 1) / BLOCK * BLOCK) * area * type_size[t->type];
}

static size_t answer_size(const Context *x)
{
    size_t size = 0;
    for (int i = 0; i < x->n_out; i++) size += npu_size(&x->out[i]);
    return size;
}

/* Lay floats out as the NPU would have left them; NULL: `fill` everywhere. */
static void as_npu(const Context *x, const float *from, float fill, uint8_t *to)
{
    for (int i = 0; i < x->n_out; i++) {
        const Tensor *t = &x->out[i];
        uint32_t batch, channels, area, blocks;
        planes(t, &batch, &channels, &area);
        blocks = (channels + BLOCK - 1) / BLOCK;
        for (uint32_t k = 0; k < t->n_elems; k++) {
            uint32_t n = k / (channels * area), c = k / area % channels, at = k % area;
            uint32_t place = channels == 1 ? k : ((n * blocks + c / BLOCK) * area + at) * BLOCK + c % BLOCK;
            put(to, place, from ? from[k] : fill, t);
        }
        to += npu_size(t);
        if (from) from += t->n_elems;
    }
}

enum { TILE = 64 }; /* places of a block that are turned at a time */
typedef uint8_t Bytes __attribute__((vector_size(BLOCK)));

/* Turn BLOCK x BLOCK bytes about their diagonal, as a library for the chip's CPU does it: in registers. */
static void turn(const uint8_t *from, uint8_t *to, size_t row)
{
    Bytes a[BLOCK], b[BLOCK];
    memcpy(a, from, sizeof a);
    for (int step = 0; step < 4; step++) {
        for (int i = 0; i < BLOCK / 2; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + BLOCK / 2], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            b[2 * i + 1] =
                __builtin_shufflevector(a[i], a[i + BLOCK / 2], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(a, b, sizeof a);
    }
    for (int i = 0; i < BLOCK; i++) memcpy(to + (size_t)i * row, &a[i], BLOCK);
}

/* Gather some places of a block, a row for each channel. */
static void gather_int8(const int8_t *from, uint32_t places, int8_t to[BLOCK][TILE])
{
    uint32_t at = 0;
    for (; at + BLOCK <= places; at += BLOCK) turn((const uint8_t *)from + (size_t)at * BLOCK, (uint8_t *)to[0] + at, TILE);
    for (; at < places; at++)
        for (int c = 0; c < BLOCK; c++) to[c][at] = from[(size_t)at * BLOCK + c];
}

static void gather_half(const _Float16 *from, uint32_t places, _Float16 to[BLOCK][TILE])
{
    for (uint32_t at = 0; at < places; at++)
        for (int c = 0; c < BLOCK; c++) to[c][at] = from[(size_t)at * BLOCK + c];
}

/* From NC1HWC2 to NCHW: of every number the type it has. */
#define UNBLOCK(NAME, TYPE, OUT, GATHER, VALUE)                                                              \
    static void NAME(const TYPE *restrict from, OUT *restrict to, const Tensor *t)                           \
    {                                                                                                        \
        TYPE tile[BLOCK][TILE];                                                                              \
        uint32_t batch, channels, area;                                                                      \
        float scale = t->scale, zero = (float)t->zero_point;                                                 \
        (void)scale, (void)zero;                                                                             \
        planes(t, &batch, &channels, &area);                                                                 \
        if (channels == 1) {                                                                                 \
            for (uint32_t k = 0; k < t->n_elems; k++) { TYPE v = from[k]; to[k] = VALUE; }                   \
            return;                                                                                          \
        }                                                                                                    \
        uint32_t blocks = (channels + BLOCK - 1) / BLOCK;                                                    \
        for (uint32_t n = 0; n < batch; n++)                                                                 \
            for (uint32_t block = 0; block < blocks; block++)                                                \
                for (uint32_t at = 0; at < area; at += TILE) {                                               \
                    uint32_t places = area - at < TILE ? area - at : TILE;                                   \
                    GATHER(from + ((size_t)(n * blocks + block) * area + at) * BLOCK, places, tile);         \
                    for (uint32_t c = block * BLOCK; c < channels && c < (block + 1) * BLOCK; c++) {         \
                        OUT *plane = to + (size_t)(n * channels + c) * area + at;                            \
                        for (uint32_t k = 0; k < places; k++) { TYPE v = tile[c % BLOCK][k]; plane[k] = VALUE; } \
                    }                                                                                        \
                }                                                                                            \
    }
UNBLOCK(unblock_int8, int8_t, int8_t, gather_int8, v)
UNBLOCK(unblock_half, _Float16, _Float16, gather_half, v)
UNBLOCK(float_int8, int8_t, float, gather_int8, ((float)v - zero) * scale)
UNBLOCK(float_half, _Float16, float, gather_half, (float)v)

/* ---- recorded outputs ---- */

static uint32_t crc32_of(uint32_t before, const uint8_t *p, size_t n)
{
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
            table[i] = c;
        }
    uint32_t c = ~before;
    while (n--) c = table[(c ^ *p++) & 255] ^ c >> 8;
    return ~c;
}

/* One recording, its answers laid out as the NPU's. Files stay loaded: contexts point into them. */
typedef struct { uint32_t key, floats, model; const float *from; uint8_t *answer; } Record;
static struct { char path[512]; int count, any; Record *records; } replay;

static void load_replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    replay.count = 0;
    replay.any = 0;
    if (!file || fseek(file, 0, SEEK_END)) return;
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size);
    if (fread(data, 1, size, file) != size) size = 0;
    fclose(file);
    replay.records = calloc(size / 8 + 1, sizeof(Record));
    for (size_t at = 4; at + 8 <= size;) {
        Record *record = &replay.records[replay.count];
        memcpy(&record->key, data + at, 4);
        memcpy(&record->floats, data + at + 4, 4);
        record->from = (const float *)(data + at + 8);
        at += 8 + 4ul * record->floats;
        if (at > size) break;
        replay.any |= !record->key;
        replay.count++;
    }
    snprintf(replay.path, sizeof replay.path, "%s", path);
}

static int replaying(void)
{
    const char *path = getenv("STANDIN_REPLAY");
    if (!path || !*path) return 0;
    if (strcmp(replay.path, path)) load_replay(path);
    return 1;
}

/* Whether what is set matters: for the answer, or for the log. */
static int keyed(void)
{
    pthread_mutex_lock(&lock);
    int only_any = replaying() && replay.count == 1 && replay.any;
    pthread_mutex_unlock(&lock);
    return !only_any || getenv("STANDIN_LOG");
}

/* Find the answer to what is set; NULL where none is asked for. */
static int recorded(const Context *x, const uint8_t **found)
{
    int code = 0;
    *found = NULL;
    pthread_mutex_lock(&lock);
    if (replaying()) {
        code = BAD_INPUT;
        for (int i = 0; i < replay.count && code == BAD_INPUT; i++) {
            Record *record = &replay.records[i];
            if (record->key && record->key != x->crc) continue;
            code = record->floats == x->total ? 0 : BAD_OUTPUT;
            uint32_t model = crc32_of(0, (const uint8_t *)x->out, sizeof x->out);
            if (!code && (!record->answer || record->model != model)) {
                as_npu(x, record->from, 0, record->answer = calloc(1, answer_size(x)));
                record->model = model;
            }
            *found = record->answer;
        }
    }
    pthread_mutex_unlock(&lock);
    if (code) complain("nothing recorded for an input with crc32 %08x (%d)", x->crc, code);
    return code;
}

/* ---- the library ---- */

/* The text by which the real one's version is found without loading it. */
API const char standin_version[] = "librknnrt version: 2.3.2 (stand-in@2025-04-09T09:09:27)";

static Context *context_of(uint64_t handle)
{
    return handle >= 1 && handle <= MAX_CONTEXTS && contexts[handle - 1].live ? &contexts[handle - 1] : NULL;
}

/* Enter a context for one call; two threads in one, or a call into a freed one, is the caller's error. */
static int enter(uint64_t handle, const char *function, Context **x)
{
    pthread_mutex_lock(&lock);
    *x = context_of(handle);
    int wrong = !*x || (*x)->busy;
    if (!wrong) (*x)->busy = 1;
    pthread_mutex_unlock(&lock);
    if (wrong) {
        note("{\"f\":\"%s\",\"wrong\":\"%s\",\"ctx\":%llu}", function, *x ? "two threads in one context" : "no such context",
             (unsigned long long)handle);
        *x = NULL;
        return BAD_CONTEXT;
    }
    return begin(function);
}

static int leave(Context *x, const char *function, uint64_t handle, int code)
{
    if (x) x->busy = 0;
    note("{\"f\":\"%s\",\"ctx\":%llu,\"ret\":%d}", function, (unsigned long long)handle, code);
    return code;
}

/* Give a context its buffers and a handle. */
static int add_context(const Context *x, uint64_t *handle)
{
    size_t inputs = 0;
    int code = FAILED;
    for (int i = 0; i < x->n_in; i++) inputs += x->in[i].size;
    pthread_mutex_lock(&lock);
    for (int i = 0; code && i < MAX_CONTEXTS; i++)
        if (!contexts[i].live) {
            contexts[i] = *x;
            contexts[i].npu_input = calloc(1, inputs);
            contexts[i].own_answer = NULL;
            *handle = (uint64_t)i + 1;
            code = 0;
        }
    pthread_mutex_unlock(&lock);
    return code;
}

API int rknn_init(uint64_t *handle, void *model, uint32_t size, uint32_t flag, void *extend)
{
    (void)extend;
    hang(fault("init"), 0);
    int code = begin("rknn_init");
    uint8_t *file_data = NULL;
    uint64_t n = size;
    Context x = { .live = 1 };
    if (!code && !size) { /* then `model` is a path */
        FILE *file = fopen(model, "rb");
        code = BAD_MODEL;
        if (file && !fseek(file, 0, SEEK_END)) {
            n = (uint64_t)ftell(file);
            rewind(file);
            file_data = malloc(n + 1);
            if (fread(file_data, 1, n, file) == n) code = 0;
        }
        if (file) fclose(file);
    }
    if (!code) code = read_model(&x, file_data ? file_data : model, n);
    x.file_size = (uint32_t)n;
    free(file_data);
    if (!code) code = add_context(&x, handle);
    note("{\"f\":\"rknn_init\",\"ctx\":%llu,\"flag\":%u,\"ret\":%d}", code ? 0ull : (unsigned long long)*handle, flag, code);
    return code;
}

API int rknn_dup_context(uint64_t *from, uint64_t *to)
{
    Context *x;
    uint64_t handle = from ? *from : 0;
    int code = enter(handle, "rknn_dup_context", &x);
    if (!code) {
        Context copy = { .live = 1, .n_in = x->n_in, .n_out = x->n_out, .total = x->total, .file_size = x->file_size, .shares = x->shares ? x->shares : handle };
        memcpy(copy.in, x->in, sizeof copy.in);
        memcpy(copy.out, x->out, sizeof copy.out);
        memcpy(copy.mean, x->mean, sizeof copy.mean);
        memcpy(copy.std, x->std, sizeof copy.std);
        code = add_context(&copy, to);
    }
    if (x) x->busy = 0;
    note("{\"f\":\"rknn_dup_context\",\"ctx\":%llu,\"from\":%llu,\"ret\":%d}", code ? 0ull : (unsigned long long)*to,
         (unsigned long long)handle, code);
    return code;
}

API int rknn_destroy(uint64_t handle)
{
    Context *x;
    int code = enter(handle, "rknn_destroy", &x);
    for (int i = 0; x && !code && i < MAX_CONTEXTS; i++)
        if (contexts[i].live && contexts[i].shares == handle)
            note("{\"f\":\"rknn_destroy\",\"wrong\":\"another context has its weights\",\"ctx\":%llu,\"ret\":%d}",
                 (unsigned long long)handle, code);
    if (x && !code) {
        free(x->npu_input);
        free(x->own_answer);
        x->live = 0;
    }
    return leave(x, "rknn_destroy", handle, code);
}

static int answer_query(const Context *x, int command, void *answer, uint32_t size)
{
    Tensor *tensor = answer;
    int input = command == QUERY_INPUT || command == QUERY_CURRENT_INPUT;
    switch (command) {
    case QUERY_COUNTS:
        if (size < sizeof(Counts)) return BAD_PARAMETER;
        *(Counts *)answer = (Counts){ (uint32_t)x->n_in, (uint32_t)x->n_out };
        return 0;
    case QUERY_INPUT: case QUERY_CURRENT_INPUT: case QUERY_OUTPUT: case QUERY_CURRENT_OUTPUT:
        if (size < sizeof(Tensor) || tensor->index >= (uint32_t)(input ? x->n_in : x->n_out)) return BAD_PARAMETER;
        *tensor = input ? x->in[tensor->index] : x->out[tensor->index];
        return 0;
    case QUERY_DURATION:
        if (size < sizeof x->duration_us) return BAD_PARAMETER;
        memcpy(answer, &x->duration_us, sizeof x->duration_us);
        return 0;
    case QUERY_VERSION: {
        const char *api = getenv("STANDIN_API");
        if (size < sizeof(Version)) return BAD_PARAMETER;
        snprintf(((Version *)answer)->api, 256, "%s", api ? api : standin_version + 19);
        snprintf(((Version *)answer)->driver, 256, "0.9.8");
        return 0;
    }
    case QUERY_MEMORY: {
        uint32_t internal = (uint32_t)answer_size(x) + x->in[0].size;
        if (size < sizeof(Memory)) return BAD_PARAMETER;
        *(Memory *)answer = (Memory){ .weights = x->file_size, .internal = internal,
                                      .dma = internal + (x->shares ? 0ull : x->file_size) };
        return 0;
    }
    case QUERY_DYNAMIC_RANGE: return BAD_MODEL; /* the model's shapes are fixed */
    default: return BAD_PARAMETER;
    }
}

API int rknn_query(uint64_t handle, int command, void *answer, uint32_t size)
{
    Context *x;
    const char *garble = getenv("STANDIN_GARBLE");
    int code = enter(handle, "rknn_query", &x);
    if (!code) code = answer_query(x, command, answer, size);
    if (!code && garble && (uint32_t)atol(garble) < size) memset((char *)answer + atol(garble), 0xFF, size - (size_t)atol(garble));
    if (x) x->busy = 0;
    note("{\"f\":\"rknn_query\",\"ctx\":%llu,\"command\":%d,\"ret\":%d}", (unsigned long long)handle, command, code);
    return code;
}

API int rknn_set_core_mask(uint64_t handle, int mask)
{
    Context *x;
    char soc[64] = "";
    int code = enter(handle, "rknn_set_core_mask", &x);
    this_soc(soc, sizeof soc);
    int all = !strncmp(soc, "rk3588", 6) ? 7 : !strcmp(soc, "rk3576") ? 3 : 0;
    if (!code && (mask & ~all || !all)) {
        complain("core mask %d on %s", mask, soc);
        code = all ? BAD_PARAMETER : BAD_PLATFORM;
    }
    if (!code) x->cores = mask;
    if (x) x->busy = 0;
    note("{\"f\":\"rknn_set_core_mask\",\"ctx\":%llu,\"mask\":%d,\"ret\":%d}", (unsigned long long)handle, mask, code);
    return code;
}

/* One number of an input as the model has it: an image's less the mean, divided by std. */
static int8_t int8_of(float number, float mean, float std, const Tensor *t) { return quantize((number - mean) / std, t); }

/* Convert an input to the model's own type, channels last where it is an image. */
static int convert_input(const Context *x, const Input *given, uint8_t *to)
{
    const Tensor *t = &x->in[given->index];
    const float *mean = x->mean[given->index], *std = x->std[given->index];
    int image = t->n_dims == 4 && t->dims[3] <= 4;
    uint32_t channels = t->n_dims == 4 ? t->dims[3] : 1, area = t->n_dims == 4 ? t->dims[1] * t->dims[2] : t->n_elems;
    if (given->pass_through) {
        if (given->size != t->size) return BAD_PARAMETER;
        memcpy(to, given->data, t->size);
        return 0;
    }
    if (given->type < 0 || given->type >= TYPES || given->size != t->n_elems * type_size[given->type] || given->format > NHWC) {
        complain("input %u of type %d, format %d, %u bytes; the model takes %u numbers", given->index, given->type, given->format,
                 given->size, t->n_elems);
        return BAD_PARAMETER;
    }
    if (image && given->type == TYPE_UINT8 && given->format == NHWC && t->type == TYPE_INT8) { /* the usual: by a table */
        int8_t table[4][256];
        const uint8_t *from = given->data;
        int shifted = 1; /* by 128, which is what 0 to 255 as the values 0 to 1 comes to */
        for (uint32_t c = 0; c < channels; c++)
            for (int v = 0; v < 256; v++) {
                table[c][v] = int8_of((float)v, mean[c], std[c], t);
                shifted &= table[c][v] == v - 128;
            }
        if (shifted) {
            for (size_t k = 0, count = t->n_elems; k < count; k++) to[k] = from[k] ^ 0x80;
            return 0;
        }
        for (uint32_t k = 0; k < t->n_elems; k += channels)
            for (uint32_t c = 0; c < channels; c++) to[k + c] = (uint8_t)table[c][from[k + c]];
        return 0;
    }
    for (uint32_t k = 0; k < t->n_elems; k++) {
        uint32_t c = k % channels, at = k / channels;
        uint32_t source = t->n_dims == 4 && given->format == NCHW ? (at / area * channels + c) * area + at % area : k;
        float value = get(given->data, source, given->type);
        put(to, k, image ? (value - mean[c]) / std[c] : value, t);
    }
    return 0;
}

/* Go on with the crc32 of an input: of an image as uint8 NHWC, whatever it was given as; else of its bytes. */
static uint32_t key_of(const Context *x, const Input *given, uint32_t crc)
{
    const Tensor *t = &x->in[given->index];
    if (t->n_dims != 4 || t->dims[3] > 4 || given->pass_through || (given->type == TYPE_UINT8 && given->format == NHWC))
        return crc32_of(crc, given->data, given->size);
    uint32_t channels = t->dims[3], area = t->dims[1] * t->dims[2];
    uint8_t *pixels = malloc(t->n_elems);
    for (uint32_t k = 0; k < t->n_elems; k++) {
        uint32_t c = k % channels, at = k / channels;
        uint32_t source = given->format == NCHW ? (at / area * channels + c) * area + at % area : k;
        pixels[k] = (uint8_t)fmaxf(0, fminf(255, rintf(get(given->data, source, given->type))));
    }
    crc = crc32_of(crc, pixels, t->n_elems);
    free(pixels);
    return crc;
}

API int rknn_inputs_set(uint64_t handle, uint32_t n, Input given[])
{
    Context *x;
    int code = enter(handle, "rknn_inputs_set", &x);
    uint32_t crc = 0;
    int key = keyed();
    if (!code && (n != (uint32_t)x->n_in || !given)) code = BAD_INPUT;
    for (uint32_t i = 0; !code && i < n; i++) {
        size_t at = 0;
        if (given[i].index != i || !given[i].data) code = BAD_INPUT;
        for (uint32_t k = 0; k < i; k++) at += x->in[k].size;
        if (!code) code = convert_input(x, &given[i], x->npu_input + at);
        if (!code && key) crc = key_of(x, &given[i], crc);
    }
    if (!code) {
        x->crc = crc;
        x->set = 1;
    }
    return leave(x, "rknn_inputs_set", handle, code);
}

API int rknn_run(uint64_t handle, RunExtend *extend)
{
    Context *x;
    const uint8_t *answer = NULL;
    const char *stale = getenv("STANDIN_STALE"), *deaf = getenv("STANDIN_DEAF"), *unnumbered = getenv("STANDIN_UNNUMBERED");
    int core = 0, code = enter(handle, "rknn_run", &x);
    long limit = extend && !(deaf && *deaf == '1') ? extend->timeout_ms : 0;
    if (!code && !x->set) code = BAD_INPUT;
    if (x && !stale) x->ran = 0;
    if (!code) code = recorded(x, &answer);
    if (!code) {
        char name[16];
        while (core < MAX_CORES - 1 && !(x->cores >> core & 1) && x->cores) core++;
        snprintf(name, sizeof name, "core%d", core);
        pthread_mutex_lock(&core_lock);
        int held = fault(name);
        double start = seconds_now(), end = start;
        if (!held) { /* what was asked for before goes first, as in the driver's queue */
            start = fmax(start - core_late[core], core_free[core]);
            core_free[core] = end = start + milliseconds("STANDIN_MS") / 1000;
        }
        pthread_mutex_unlock(&core_lock);
        if (!held) {
            hold_until(end);
            core_late[core] = fmin(seconds_now() - end, milliseconds("STANDIN_MS") / 2000);
        }
        if (hang(held, limit)) code = TIMED_OUT; /* off the lock: a fresh context gets the core back, as after a reset */
        x->duration_us = (int64_t)(((held ? seconds_now() : end) - start) * 1e6);
    }
    if (x) x->frame++;
    if (!code && !(stale && *stale == '2' && x->ran)) {
        if (!answer) {
            if (!x->own_answer) x->own_answer = calloc(1, answer_size(x));
            as_npu(x, NULL, (float)(x->crc % 1000u) / 1000, x->own_answer);
        }
        x->answer = answer ? answer : x->own_answer;
        x->answered = x->frame;
        x->ran = 1;
    }
    if (x && extend && !(unnumbered && *unnumbered == '1')) extend->frame_id = x->frame + (unnumbered && *unnumbered == '2');
    if (x) x->busy = 0;
    note("{\"f\":\"rknn_run\",\"ctx\":%llu,\"core\":%d,\"crc\":%u,\"limit\":%ld,\"ret\":%d}", (unsigned long long)handle, core,
         x ? x->crc : 0, extend ? (long)extend->timeout_ms : 0l, code);
    return code;
}

API int rknn_wait(uint64_t handle, void *extend)
{
    (void)extend;
    return context_of(handle) ? 0 : BAD_CONTEXT;
}

API int rknn_outputs_get(uint64_t handle, uint32_t n, Output wanted[], OutputExtend *extend)
{
    Context *x;
    const char *unnumbered = getenv("STANDIN_UNNUMBERED");
    double start = seconds_now();
    int code = enter(handle, "rknn_outputs_get", &x);
    if (!code && (n != (uint32_t)x->n_out || !wanted)) code = BAD_OUTPUT;
    if (!code && !x->ran) code = FAILED;
    const uint8_t *from = x ? x->answer : NULL;
    for (uint32_t i = 0; !code && i < n; i++) {
        const Tensor *t = &x->out[i];
        uint32_t bytes = t->n_elems * (wanted[i].want_float ? 4 : type_size[t->type]);
        if (wanted[i].preallocated && (!wanted[i].data || wanted[i].size < bytes || wanted[i].index != i)) {
            complain("output %u: a buffer of %u bytes for index %u, %u are needed", i, wanted[i].size, wanted[i].index, bytes);
            code = BAD_OUTPUT;
            break;
        }
        void *to = wanted[i].preallocated ? wanted[i].data : malloc(bytes);
        if (wanted[i].want_float && t->type == TYPE_INT8) float_int8((const int8_t *)from, to, t);
        else if (wanted[i].want_float) float_half((const _Float16 *)from, to, t);
        else if (t->type == TYPE_INT8) unblock_int8((const int8_t *)from, to, t);
        else unblock_half((const _Float16 *)from, to, t);
        from += npu_size(t);
        wanted[i].data = to;
        wanted[i].size = bytes;
        wanted[i].index = i;
    }
    if (x && extend && !(unnumbered && *unnumbered == '1')) extend->frame_id = x->answered;
    if (!code) hold_until(start + milliseconds("STANDIN_CONVERT_MS") / 1000);
    return leave(x, "rknn_outputs_get", handle, code);
}

API int rknn_outputs_release(uint64_t handle, uint32_t n, Output given[])
{
    int code = begin("rknn_outputs_release");
    for (uint32_t i = 0; given && i < n; i++)
        if (!given[i].preallocated) {
            free(given[i].data);
            given[i].data = NULL;
        }
    note("{\"f\":\"rknn_outputs_release\",\"ctx\":%llu,\"ret\":%d}", (unsigned long long)handle, code);
    return code;
}

API int rknn_set_input_shapes(uint64_t handle, uint32_t n, Tensor shapes[])
{
    (void)n;
    (void)shapes;
    return context_of(handle) ? BAD_MODEL : BAD_CONTEXT; /* the model's shapes are fixed */
}
