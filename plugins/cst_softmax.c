/* cstSoftmax on the board's CPU: a plug-in for Rockchip's NPU runtime, whose contract stands in custom_op.h.
 *
 * scripts/build-plugin.sh compiles it, tests/plugins/test_plugin.py tests it.
 */
#include "custom_op.h"

#include <math.h>
#include <stdio.h>

/* Softmax over the middle one of [outer, channels, inner], in column blocks that the stack holds: nothing is allocated,
 * memory is walked in its order, and `out` may be `in`. Like numpy's exp(x - max) / sum: a NaN, an inf or nothing but
 * -inf along the axis gives NaN along it. */
enum { BLOCK = 64 };

#define DEFINE_SOFTMAX(function, number)                                                                        \
    static void function(const number *in, number *out, size_t outer, size_t channels, size_t inner)            \
    {                                                                                                           \
        for (size_t o = 0; o < outer; o++, in += channels * inner, out += channels * inner)                     \
            for (size_t first = 0; first < inner; first += BLOCK) {                                             \
                const size_t columns = inner - first < BLOCK ? inner - first : BLOCK;                           \
                float most[BLOCK];                                                                              \
                double sum[BLOCK];                                                                              \
                for (size_t i = 0; i < columns; i++) {                                                          \
                    most[i] = -INFINITY;                                                                        \
                    sum[i] = 0;                                                                                 \
                }                                                                                               \
                for (size_t c = 0; c < channels; c++)                                                           \
                    for (size_t i = 0; i < columns; i++) {                                                      \
                        const float x = (float)in[c * inner + first + i];                                       \
                        most[i] = x > most[i] ? x : most[i];                                                    \
                    }                                                                                           \
                for (size_t c = 0; c < channels; c++)                                                           \
                    for (size_t i = 0; i < columns; i++) {                                                      \
                        const float weight = expf((float)in[c * inner + first + i] - most[i]);                  \
                        sum[i] += weight;                                                                       \
                        out[c * inner + first + i] = (number)weight;                                            \
                    }                                                                                           \
                for (size_t c = 0; c < channels; c++)                                                           \
                    for (size_t i = 0; i < columns; i++) {                                                      \
                        number *const place = &out[c * inner + first + i];                                      \
                        *place = (number)(float)((double)(float)*place / sum[i]);                               \
                    }                                                                                           \
            }                                                                                                   \
    }

DEFINE_SOFTMAX(softmax_float32, float)
DEFINE_SOFTMAX(softmax_float16, _Float16)

/* Softmax of a dense tensor along `axis`, which counts from the end where it is negative. Type is FLOAT32 or FLOAT16. */
EXPORT int cst_softmax(const void *in, void *out, uint32_t type, const uint32_t *dims, uint32_t n_dims, int64_t axis)
{
    if (n_dims == 0 || n_dims > MAX_DIMS || axis < -(int64_t)n_dims || axis >= (int64_t)n_dims) return PARAM_INVALID;
    if (type != FLOAT32 && type != FLOAT16) return PARAM_INVALID;
    const uint32_t middle = (uint32_t)(axis < 0 ? axis + n_dims : axis);
    size_t outer = 1, inner = 1;
    for (uint32_t i = 0; i < middle; i++) outer *= dims[i];
    for (uint32_t i = middle + 1; i < n_dims; i++) inner *= dims[i];
    if (outer * inner * dims[middle] == 0) return OK;
    if (in == NULL || out == NULL) return PARAM_INVALID;
    if (type == FLOAT32)
        softmax_float32(in, out, outer, dims[middle], inner);
    else
        softmax_float16(in, out, outer, dims[middle], inner);
    return OK;
}

static int refuse(const struct tensor *tensor, const char *why, int64_t number)
{
    fprintf(stderr, "cstSoftmax: %.*s: %s (%lld)\n", NAME_LENGTH, tensor->attr.name, why, (long long)number);
    return PARAM_INVALID;
}

/* ONNX's default from opset 13 on. */
static int read_axis(struct context *context, int64_t *axis)
{
    struct op_attr found = {.n_elems = 0};
    rknn_custom_op_get_op_attr(context, "axis", &found);
    *axis = -1;
    if (found.n_elems == 0) return 1;
    if (found.n_elems != 1 || found.data == NULL) return 0;
    if (found.type == INT64)
        *axis = *(const int64_t *)found.data;
    else if (found.type == INT32)
        *axis = *(const int32_t *)found.data;
    else
        return 0;
    return 1;
}

static int compute(struct context *context, struct tensor *inputs, uint32_t n_inputs, struct tensor *outputs,
                   uint32_t n_outputs)
{
    if (n_inputs != 1 || n_outputs != 1) {
        fprintf(stderr, "cstSoftmax: %u inputs and %u outputs, not one of each\n", n_inputs, n_outputs);
        return PARAM_INVALID;
    }
    const struct attr *in = &inputs->attr, *out = &outputs->attr;
    if (in->n_dims == 0 || in->n_dims > MAX_DIMS) return refuse(inputs, "number of dimensions is not 1 to 16", in->n_dims);
    if (!counts(in)) return refuse(inputs, "the number of elements is not the product of the dimensions", in->n_elems);
    if (out->n_elems != in->n_elems) return refuse(outputs, "has not the input's number of elements", out->n_elems);
    if (in->format != NCHW && in->format != UNDEFINED)
        return refuse(inputs, "the layout is neither NCHW nor UNDEFINED", in->format);
    if (in->type != FLOAT32 && in->type != FLOAT16) return refuse(inputs, "type is neither float32 nor float16", in->type);
    if (out->type != in->type) return refuse(outputs, "has not the input's type", out->type);
    if (in->n_elems > 0 && (data(inputs) == NULL || data(outputs) == NULL)) return refuse(inputs, "has no memory", 0);
    int64_t axis;
    if (!read_axis(context, &axis)) return refuse(inputs, "the attribute axis is not one integer", 0);
    if (axis < -(int64_t)in->n_dims || axis >= (int64_t)in->n_dims) return refuse(inputs, "there is no such axis", axis);
    return cst_softmax(data(inputs), data(outputs), in->type, in->dims, in->n_dims, axis);
}

/* What a plug-in must have, once: rknn_server and programs of their own look it up by name. */
EXPORT struct custom_op *get_rknn_custom_op(void)
{
    static struct custom_op op = {.version = 1, .target = TARGET_CPU, .op_type = "cstSoftmax", .compute = compute};
    return &op;
}
