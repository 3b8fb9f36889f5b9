/* A stand-in for librknn_api of the first generation. Its "model" is a text: the code that rknn_init returns, how many
   outputs there are, and the sizes in bytes of each. FAKE_DATA names a folder: the input is written to input.bin there, and
   output 0 is read from 0.bin, ... What is out of order, or released too late or never, ends the process. */
#include <stdio.h>
#include <stdlib.h>

#include "rknn_api.h"

static unsigned number, sizes[64];
static int opened, set, ran, held;

static void wrong(const char* what) {
    fprintf(stderr, "WRONG: %s\n", what);
    abort();
}

static FILE* file(const char* name, const char* mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("FAKE_DATA"), name);
    FILE* found = fopen(path, mode);
    if (!found) wrong(path);
    return found;
}

int rknn_init(rknn_context* context, void* model, uint32_t size, uint32_t flag) {
    char text[4096] = {0};
    int code, at, more;
    if (flag || size >= sizeof text) wrong("rknn_init");
    for (uint32_t i = 0; i < size; ++i) text[i] = ((char*)model)[i];
    if (sscanf(text, "%d %u%n", &code, &number, &at) != 2 || number > 64) return -6;
    for (unsigned i = 0; i < number; ++i, at += more)
        if (sscanf(text + at, "%u%n", &sizes[i], &more) != 1) return -6;
    *context = 7;
    opened = code == 0;
    return code;
}

int rknn_query(rknn_context context, rknn_query_cmd cmd, void* info, uint32_t size) {
    if (context != 7 || cmd != RKNN_QUERY_IN_OUT_NUM || size != sizeof(rknn_input_output_num)) return -5;
    ((rknn_input_output_num*)info)->n_input = 1;
    ((rknn_input_output_num*)info)->n_output = number;
    return 0;
}

int rknn_inputs_set(rknn_context context, uint32_t n, rknn_input inputs[]) {
    if (context != 7 || n != 1 || inputs[0].pass_through || inputs[0].type != RKNN_TENSOR_UINT8 || inputs[0].fmt != RKNN_TENSOR_NHWC)
        return -8;
    FILE* to = file("input.bin", "wb");
    fwrite(inputs[0].buf, 1, inputs[0].size, to);
    fclose(to);
    set = 1;
    return 0;
}

int rknn_run(rknn_context context, rknn_run_extend* extend) {
    (void)extend;
    if (context != 7 || !set) wrong("rknn_run before rknn_inputs_set");
    ran = 1;
    return 0;
}

int rknn_outputs_get(rknn_context context, uint32_t n, rknn_output outputs[], rknn_output_extend* extend) {
    (void)extend;
    if (context != 7 || !ran || held || n != number) wrong("rknn_outputs_get");
    for (uint32_t i = 0; i < n; ++i) {
        char name[16];
        if (!outputs[i].want_float || outputs[i].is_prealloc || outputs[i].index != i) return -9;
        snprintf(name, sizeof name, "%u.bin", i);
        FILE* from = file(name, "rb");
        outputs[i].size = sizes[i];
        outputs[i].buf = malloc(sizes[i]);
        if (fread(outputs[i].buf, 1, sizes[i], from) != sizes[i]) wrong(name);
        fclose(from);
    }
    held = 1;
    return 0;
}

int rknn_outputs_release(rknn_context context, uint32_t n, rknn_output outputs[]) {
    if (context != 7 || !held) wrong("rknn_outputs_release");
    for (uint32_t i = 0; i < n; ++i) free(outputs[i].buf);
    held = 0;
    return 0;
}

int rknn_destroy(rknn_context context) {
    if (context != 7 || !opened || held) wrong("rknn_destroy");
    opened = 0;
    return 0;
}

__attribute__((destructor)) static void end(void) {
    if (opened || held) wrong("a context or outputs were not freed");
}
