/* @OP@ on the board's CPU: a plug-in for Rockchip's NPU runtime, whose contract stands in custom_op.h beside it.
 *
 * Write into kernel() what compute() of the Python class gives. Then, on the board, or on a PC with CC=aarch64-linux-gnu-gcc:
 *
 *     CC=gcc
 *     echo 'void rknn_custom_op_get_op_attr(void) {}' | $CC -shared -fPIC -Wl,-soname,librknnrt.so -o librknnrt.so -xc -
 *     $CC -std=gnu11 -O2 -Wall -fPIC -shared -fvisibility=hidden -o @LIBRARY@ @FILE@ ./librknnrt.so -lm
 *     sudo install -D -m 644 @LIBRARY@ /usr/lib/rknpu/op_plugins/@LIBRARY@
 *
 * The librknnrt.so made here only says that the plug-in needs one: remove it.
 */
#include "custom_op.h"

#include <math.h>
#include <stdio.h>

#define OP "@OP@"
enum { INPUTS = @INPUTS@, OUTPUTS = @OUTPUTS@ };

/* Returns an attribute of the node that is one number; `otherwise` where it has none. */
static inline double attribute(struct context *context, const char *name, double otherwise)
{
    struct op_attr found = {.n_elems = 0};
    rknn_custom_op_get_op_attr(context, name, &found);
    if (found.n_elems != 1 || found.data == NULL) return otherwise;
    switch (found.type) {
    case FLOAT32: return *(const float *)found.data;
    case INT32: return *(const int32_t *)found.data;
    case INT64: return (double)*(const int64_t *)found.data;
    default: return otherwise;
    }
}

/* The op itself: in[i] has in_attr[i]->n_elems values, of the shape in_attr[i]->dims[0 .. n_dims - 1], the last axis the
 * fastest; out likewise. Returns OK, or PARAM_INVALID, which ends the run.
@ATTRIBUTES@ */
static int kernel(struct context *context, const float *const in[INPUTS], const struct attr *const in_attr[INPUTS],
                  float *const out[OUTPUTS], const struct attr *const out_attr[OUTPUTS])
{
    (void)context, (void)in, (void)in_attr, (void)out, (void)out_attr;
    fprintf(stderr, OP ": its kernel() in @FILE@ is not written yet\n");
    return PARAM_INVALID;
}

static int usable(const struct tensor *tensor)
{
    const struct attr *attr = &tensor->attr;
    const char *why = NULL;
    if (attr->n_dims > MAX_DIMS || !counts(attr)) why = "the number of elements is not the product of the dimensions";
    else if (attr->type != FLOAT32) why = "type is not float32";
    else if (attr->format != NCHW && attr->format != UNDEFINED) why = "the layout is neither NCHW nor UNDEFINED";
    else if (attr->n_elems > 0 && data(tensor) == NULL) why = "has no memory";
    if (why != NULL) fprintf(stderr, OP ": %.*s: %s\n", NAME_LENGTH, attr->name, why);
    return why == NULL;
}

static int compute(struct context *context, struct tensor *inputs, uint32_t n_inputs, struct tensor *outputs,
                   uint32_t n_outputs)
{
    const float *in[INPUTS];
    float *out[OUTPUTS];
    const struct attr *in_attr[INPUTS], *out_attr[OUTPUTS];
    if (n_inputs != INPUTS || n_outputs != OUTPUTS) {
        fprintf(stderr, OP ": %u inputs and %u outputs, not %d and %d\n", n_inputs, n_outputs, INPUTS, OUTPUTS);
        return PARAM_INVALID;
    }
    for (int i = 0; i < INPUTS; i++) {
        if (!usable(&inputs[i])) return PARAM_INVALID;
        in[i] = data(&inputs[i]), in_attr[i] = &inputs[i].attr;
    }
    for (int i = 0; i < OUTPUTS; i++) {
        if (!usable(&outputs[i])) return PARAM_INVALID;
        out[i] = data(&outputs[i]), out_attr[i] = &outputs[i].attr;
    }
    return kernel(context, in, in_attr, out, out_attr);
}

/* What a plug-in must have, once: rknn_server and programs of their own look it up by name. */
EXPORT struct custom_op *get_rknn_custom_op(void)
{
    static struct custom_op op = {.version = 1, .target = TARGET_CPU, .op_type = OP, .compute = compute};
    return &op;
}
