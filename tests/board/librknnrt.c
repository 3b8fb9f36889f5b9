/* A stand-in for Rockchip's librknnrt.so, for tests: no NPU and nothing of the vendor's.
 *
 * It has the functions that the rknn-toolkit-lite2 wheel calls through ctypes, declared here as far as the wheel uses
 * them. Shapes, types and platform come from the real .rknn it is given (layout: yolorknn/model/rknn_file.py); inputs that do
 * not fit the model exactly are refused; outputs are recorded ones, found by the crc32 of the input's bytes, or one
 * number per input where nothing is recorded.
 *
 *   STANDIN_LOG     file for one JSON line per call; the calls are counted anew when it changes
 *   STANDIN_REPLAY  recorded outputs: "YKRP", then per record: u32 crc32, u32 number of floats, the floats of all outputs
 *   STANDIN_SOC     the chip; default: the last name in /proc/device-tree/compatible
 *   STANDIN_MS      how long one rknn_run holds its core, in ms
 *   STANDIN_FAIL    faults, comma-separated: FUNCTION:CODE[@K[+]] returns CODE at the K-th call of the process (and all
 *                   after it with +; without @K at every call); coreN:MS[@K[+]] hangs core N for MS ms at its K-th run,
 *                   or until there is a file named as STANDIN_LOG with .go behind it; init:MS[@K[+]] hangs rknn_init so
 *   STANDIN_STALE   1: after a failed rknn_run the outputs are those of the frame before
 *   STANDIN_API     the version the library says it has
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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
enum { QUERY_COUNTS = 0, QUERY_INPUT = 1, QUERY_OUTPUT = 2, QUERY_VERSION = 5, QUERY_DYNAMIC_RANGE = 13,
       QUERY_CURRENT_INPUT = 14, QUERY_CURRENT_OUTPUT = 15 };
enum { TYPE_FLOAT16 = 1, TYPE_INT8 = 2, TYPE_UINT8 = 3 };
enum { NCHW = 0, NHWC = 1 };

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

typedef struct {
    int live, cores; /* cores: the mask */
    Tensor in, out[MAX_TENSORS];
    int n_out;
    uint32_t total; /* floats of all outputs */
    uint32_t crc;   /* of the input that is set */
    int set, ran;
    const float *recorded; /* of the last frame that ran; NULL: the number `ramp` */
    float ramp;
    int busy;
} Context;
static Context contexts[MAX_CONTEXTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* contexts and counters */
static pthread_mutex_t core_lock[MAX_CORES] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };

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

static struct { char name[32]; long calls; } counters[32];
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

static void hold(long ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000L };
    while (ms > 0 && nanosleep(&left, &left) && errno == EINTR) {}
}

static void hang(long ms)
{
    char path[512];
    snprintf(path, sizeof path, "%s.go", getenv("STANDIN_LOG") ? getenv("STANDIN_LOG") : "");
    for (; ms > 0 && access(path, F_OK); ms -= 10) hold(10);
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

static int read_tensor(Tensor *t, const char *key, const char *attr, const char *norm)
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
    t->size = t->size_with_stride = t->n_elems * (t->type == TYPE_INT8 ? 1 : 2);
    return 0;
}

static int parse(Context *x, const char *body, const char *trailer, const char *soc)
{
    const char *norm = member(trailer, "norm_tensor"), *platforms = member(trailer, "target_platform"), *key, *value;
    const char *attrs = member(body, "attrs");
    int fits = 0, inputs = 0;
    if (!attrs || !norm || !platforms) return BAD_MODEL;
    for (const char *at = attrs; next(&at, 1, &key, &value);) {
        Tensor t;
        int code = read_tensor(&t, key, value, norm);
        if (code) return code;
        const char *output = member(value, "is_output");
        if (output && *output == 'T') {
            if (t.index >= MAX_TENSORS) return BAD_MODEL;
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
            x->in = t;
            inputs++;
        }
    }
    for (const char *at = platforms; next(&at, 0, NULL, &value);) fits |= is(value, soc);
    if (inputs != 1 || !x->n_out) return BAD_MODEL;
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

/* ---- recorded outputs ---- */

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
            table[i] = c;
        }
    uint32_t c = ~0u;
    while (n--) c = table[(c ^ *p++) & 255] ^ c >> 8;
    return ~c;
}

/* Return the record of that input. Files stay loaded: contexts point into them. */
static int recorded(uint32_t crc, uint32_t total, const float **found)
{
    static char loaded[512];
    static uint8_t *data;
    static size_t size;
    const char *path = getenv("STANDIN_REPLAY");
    *found = NULL;
    if (!path || !*path) return 0;
    pthread_mutex_lock(&lock);
    if (strcmp(loaded, path)) {
        FILE *file = fopen(path, "rb");
        if (file && !fseek(file, 0, SEEK_END)) {
            size = (size_t)ftell(file);
            rewind(file);
            data = malloc(size);
            if (fread(data, 1, size, file) != size) size = 0;
            snprintf(loaded, sizeof loaded, "%s", path);
        }
        if (file) fclose(file);
    }
    int code = BAD_INPUT;
    for (size_t at = 4; !strcmp(loaded, path) && at + 8 <= size;) {
        uint32_t key, floats;
        memcpy(&key, data + at, 4);
        memcpy(&floats, data + at + 4, 4);
        if (key == crc) {
            code = floats == total ? 0 : BAD_OUTPUT;
            *found = (const float *)(data + at + 8);
            break;
        }
        at += 8 + 4ul * floats;
    }
    pthread_mutex_unlock(&lock);
    if (code) complain("nothing recorded in %s for an input with crc32 %08x (%d)", path, crc, code);
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
    int code = fault(function);
    pthread_mutex_lock(&lock);
    *x = context_of(handle);
    if (!*x || (*x)->busy) {
        note("{\"f\":\"%s\",\"wrong\":\"%s\",\"ctx\":%llu}", function, *x ? "two threads in one context" : "no such context",
             (unsigned long long)handle);
        *x = NULL;
        code = BAD_CONTEXT;
    } else {
        (*x)->busy = 1;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int leave(Context *x, const char *function, uint64_t handle, int code)
{
    if (x) x->busy = 0;
    note("{\"f\":\"%s\",\"ctx\":%llu,\"ret\":%d}", function, (unsigned long long)handle, code);
    return code;
}

API int rknn_init(uint64_t *handle, void *model, uint32_t size, uint32_t flag, void *extend)
{
    (void)extend;
    hang(fault("init"));
    int code = fault("rknn_init");
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
    free(file_data);
    if (!code) {
        code = FAILED;
        pthread_mutex_lock(&lock);
        for (int i = 0; code && i < MAX_CONTEXTS; i++)
            if (!contexts[i].live) {
                contexts[i] = x;
                *handle = (uint64_t)i + 1;
                code = 0;
            }
        pthread_mutex_unlock(&lock);
    }
    note("{\"f\":\"rknn_init\",\"ctx\":%llu,\"flag\":%u,\"ret\":%d}", code ? 0ull : (unsigned long long)*handle, flag, code);
    return code;
}

API int rknn_destroy(uint64_t handle)
{
    Context *x;
    int code = enter(handle, "rknn_destroy", &x);
    if (x && !code) x->live = 0;
    return leave(x, "rknn_destroy", handle, code);
}

API int rknn_query(uint64_t handle, int command, void *answer, uint32_t size)
{
    Context *x;
    int code = enter(handle, "rknn_query", &x);
    if (!code) code = BAD_PARAMETER;
    if (x && code == BAD_PARAMETER) switch (command) {
    case QUERY_COUNTS:
        if (size < sizeof(Counts)) break;
        *(Counts *)answer = (Counts){ 1, (uint32_t)x->n_out };
        code = 0;
        break;
    case QUERY_INPUT: case QUERY_CURRENT_INPUT:
        if (size < sizeof(Tensor) || ((Tensor *)answer)->index != 0) break;
        *(Tensor *)answer = x->in;
        code = 0;
        break;
    case QUERY_OUTPUT: case QUERY_CURRENT_OUTPUT:
        if (size < sizeof(Tensor) || ((Tensor *)answer)->index >= (uint32_t)x->n_out) break;
        *(Tensor *)answer = x->out[((Tensor *)answer)->index];
        code = 0;
        break;
    case QUERY_VERSION: {
        const char *api = getenv("STANDIN_API");
        if (size < sizeof(Version)) break;
        snprintf(((Version *)answer)->api, 256, "%s", api ? api : standin_version + 19);
        snprintf(((Version *)answer)->driver, 256, "0.9.8");
        code = 0;
        break;
    }
    case QUERY_DYNAMIC_RANGE: code = BAD_MODEL; break; /* the model's shapes are fixed */
    default: break;
    }
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
        code = BAD_PARAMETER;
    }
    if (!code) x->cores = mask;
    if (x) x->busy = 0;
    note("{\"f\":\"rknn_set_core_mask\",\"ctx\":%llu,\"mask\":%d,\"ret\":%d}", (unsigned long long)handle, mask, code);
    return code;
}

API int rknn_inputs_set(uint64_t handle, uint32_t n, Input given[])
{
    Context *x;
    int code = enter(handle, "rknn_inputs_set", &x);
    if (!code && (n != 1 || !given || given->index || !given->data)) code = BAD_INPUT;
    if (!code && (given->type != TYPE_UINT8 || given->format != NHWC || given->pass_through || given->size != x->in.n_elems)) {
        complain("input of type %d, format %d, pass_through %d, %u bytes; the model takes %u bytes of uint8 NHWC", given->type,
                 given->format, given->pass_through, given->size, x->in.n_elems);
        code = BAD_PARAMETER;
    }
    if (!code) {
        x->crc = crc32_of(given->data, given->size);
        x->set = 1;
    }
    return leave(x, "rknn_inputs_set", handle, code);
}

API int rknn_run(uint64_t handle, void *extend)
{
    (void)extend;
    Context *x;
    const float *outputs = NULL;
    const char *ms = getenv("STANDIN_MS"), *stale = getenv("STANDIN_STALE");
    int core = 0, code = enter(handle, "rknn_run", &x);
    if (!code && !x->set) code = BAD_INPUT;
    if (x && (!stale || *stale != '1')) x->ran = 0;
    if (!code) code = recorded(x->crc, x->total, &outputs);
    if (!code) {
        char name[16];
        while (core < MAX_CORES - 1 && !(x->cores >> core & 1) && x->cores) core++;
        snprintf(name, sizeof name, "core%d", core);
        pthread_mutex_lock(&core_lock[core]);
        int held = fault(name);
        if (!held) hold(ms ? atol(ms) : 0);
        pthread_mutex_unlock(&core_lock[core]);
        hang(held); /* off the lock: a fresh context gets the core back, as after the driver's reset */
        x->recorded = outputs;
        x->ramp = (float)(x->crc % 1000u) / 1000;
        x->ran = 1;
    }
    if (x) x->busy = 0;
    note("{\"f\":\"rknn_run\",\"ctx\":%llu,\"core\":%d,\"crc\":%u,\"ret\":%d}", (unsigned long long)handle, core, x ? x->crc : 0, code);
    return code;
}

API int rknn_wait(uint64_t handle, void *extend)
{
    (void)extend;
    return context_of(handle) ? 0 : BAD_CONTEXT;
}

API int rknn_outputs_get(uint64_t handle, uint32_t n, Output wanted[], void *extend)
{
    (void)extend;
    Context *x;
    int code = enter(handle, "rknn_outputs_get", &x);
    if (!code && (n != (uint32_t)x->n_out || !wanted)) code = BAD_OUTPUT;
    if (!code && !x->ran) code = FAILED;
    const float *from = x ? x->recorded : NULL;
    for (uint32_t i = 0; !code && i < n; i++) {
        uint32_t floats = x->out[i].n_elems;
        if (!wanted[i].want_float || wanted[i].preallocated) {
            complain("output %u wanted with want_float %d, preallocated %d", i, wanted[i].want_float, wanted[i].preallocated);
            code = BAD_OUTPUT;
            break;
        }
        float *to = malloc(4ul * floats);
        for (uint32_t k = 0; k < floats; k++) to[k] = from ? from[k] : x->ramp;
        if (from) from += floats;
        wanted[i].data = to;
        wanted[i].size = 4 * floats;
        wanted[i].index = i;
    }
    return leave(x, "rknn_outputs_get", handle, code);
}

API int rknn_outputs_release(uint64_t handle, uint32_t n, Output given[])
{
    int code = fault("rknn_outputs_release");
    for (uint32_t i = 0; given && i < n; i++)
        if (!given[i].preallocated) {
            free(given[i].data);
            given[i].data = NULL;
        }
    note("{\"f\":\"rknn_outputs_release\",\"ctx\":%llu,\"ret\":%d}", (unsigned long long)handle, code);
    return code;
}

API int rknn_dup_context(uint64_t *from, uint64_t *to)
{
    (void)from;
    (void)to;
    return FAILED;
}

API int rknn_set_input_shapes(uint64_t handle, uint32_t n, Tensor shapes[])
{
    (void)n;
    (void)shapes;
    return context_of(handle) ? BAD_MODEL : BAD_CONTEXT; /* the model's shapes are fixed */
}
