/* What a custom op on the board's CPU needs of Rockchip's NPU runtime (librknnrt, aarch64).
 *
 * The contract is that of rknn_custom_op.h and rknn_api.h as of rknn_model_zoo 2.3.2 (3rdparty/rknpu2/include), read and
 * stated here in our own words: only what a CPU op needs, with the offsets and sizes that those headers give on a 64-bit
 * machine. The runtime calls `compute` for each run with float32 tensors in NCHW order (or UNDEFINED: not four
 * dimensions); data begins at virt_addr + offset, in bytes; 0 is success, a negative RKNN_ERR code is not.
 */
#ifndef YOLORKNN_CUSTOM_OP_H
#define YOLORKNN_CUSTOM_OP_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, PARAM_INVALID = -5 };
enum { TARGET_CPU = 1 };
enum { FLOAT32 = 0, FLOAT16 = 1, INT32 = 6, INT64 = 8 };
enum { NCHW = 0, UNDEFINED = 3 };
enum { MAX_DIMS = 16, NAME_LENGTH = 256 };

struct attr { /* of a tensor */
    uint32_t index, n_dims, dims[MAX_DIMS];
    char name[NAME_LENGTH];
    uint32_t n_elems, size, format, type, quantization;
    int8_t fraction;
    int32_t zero_point;
    float scale;
    uint32_t w_stride, size_with_stride;
    uint8_t pass_through;
    uint32_t h_stride;
};

struct memory {
    void *address;
    uint64_t physical;
    int32_t fd, offset;
    uint32_t size, flags;
    void *private_data;
};

struct tensor {
    struct attr attr;
    struct memory memory;
};

struct context {
    uint32_t target;
    uint64_t internal;
    void *gpu[3], *private_data;
};

struct op_attr { /* of a node of the graph */
    char name[NAME_LENGTH];
    uint32_t type, n_elems;
    const void *data;
};

typedef int callback(struct context *, struct tensor *inputs, uint32_t n_inputs, struct tensor *outputs, uint32_t n_outputs);

struct custom_op {
    uint32_t version, target;
    char op_type[NAME_LENGTH], kernel_name[NAME_LENGTH];
    char *kernel_source;
    uint64_t source_size;
    char build_options[NAME_LENGTH];
    callback *init, *prepare, *compute, *compute_native;
    int (*destroy)(struct context *);
};

#define AT(type, member, offset) _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
AT(attr, dims, 8);
AT(attr, name, 72);
AT(attr, n_elems, 328);
AT(attr, format, 336);
AT(attr, type, 340);
AT(attr, scale, 356);
AT(attr, h_stride, 372);
AT(memory, offset, 20);
AT(memory, private_data, 32);
AT(tensor, memory, 376);
AT(context, internal, 8);
AT(context, private_data, 40);
AT(op_attr, type, 256);
AT(op_attr, data, 264);
AT(custom_op, op_type, 8);
AT(custom_op, kernel_source, 520);
AT(custom_op, init, 792);
AT(custom_op, compute, 808);
AT(custom_op, destroy, 824);
_Static_assert(sizeof(struct tensor) == 416 && sizeof(struct op_attr) == 272 && sizeof(struct custom_op) == 832, "sizes");

/* librknnrt's: fills `found` with the attribute `name` of the node; n_elems stays 0 where the node has none. */
void rknn_custom_op_get_op_attr(struct context *context, const char *name, struct op_attr *found);

/* The product of the dimensions must be n_elems, which the runtime has allocated. */
static inline int counts(const struct attr *attr)
{
    uint64_t product = 1;
    for (uint32_t i = 0; i < attr->n_dims; i++)
        if (attr->dims[i] == 0) return attr->n_elems == 0;
    for (uint32_t i = 0; i < attr->n_dims; i++) {
        product *= attr->dims[i];
        if (product > UINT32_MAX) return 0;
    }
    return product == attr->n_elems;
}

static inline void *data(const struct tensor *tensor)
{
    return tensor->memory.address == NULL ? NULL : (char *)tensor->memory.address + tensor->memory.offset;
}

#endif
