/* The part of the first generation's rknn_api.h that programs use, declared anew by its names, numbers and layouts. */
#ifndef RKNN_API_H
#define RKNN_API_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define RKNN_SUCC 0
#ifdef __arm__
typedef uint32_t rknn_context;
#else
typedef uint64_t rknn_context;
#endif
typedef enum { RKNN_QUERY_IN_OUT_NUM = 0 } rknn_query_cmd;
typedef enum { RKNN_TENSOR_FLOAT32 = 0, RKNN_TENSOR_UINT8 = 3 } rknn_tensor_type;
typedef enum { RKNN_TENSOR_NCHW = 0, RKNN_TENSOR_NHWC } rknn_tensor_format;
typedef struct { uint32_t n_input, n_output; } rknn_input_output_num;
typedef struct {
    uint32_t index;
    void* buf;
    uint32_t size;
    uint8_t pass_through;
    rknn_tensor_type type;
    rknn_tensor_format fmt;
} rknn_input;
typedef struct {
    uint8_t want_float, is_prealloc;
    uint32_t index;
    void* buf;
    uint32_t size;
} rknn_output;
typedef struct { uint64_t frame_id; } rknn_run_extend;
typedef struct { uint64_t frame_id; } rknn_output_extend;
int rknn_init(rknn_context* context, void* model, uint32_t size, uint32_t flag);
int rknn_destroy(rknn_context context);
int rknn_query(rknn_context context, rknn_query_cmd cmd, void* info, uint32_t size);
int rknn_inputs_set(rknn_context context, uint32_t n_inputs, rknn_input inputs[]);
int rknn_run(rknn_context context, rknn_run_extend* extend);
int rknn_outputs_get(rknn_context context, uint32_t n_outputs, rknn_output outputs[], rknn_output_extend* extend);
int rknn_outputs_release(rknn_context context, uint32_t n_outputs, rknn_output outputs[]);
#ifdef __cplusplus
}
#endif
#endif
