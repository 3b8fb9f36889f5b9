/* librknnrt.so as a custom op's plug-in sees it: one function, whose answers the test gives. See tests/fakes/plugin.py. */
typedef void answer(void *context, const char *name, void *found);

static answer *answering;

void set_answer(answer *function);
void rknn_custom_op_get_op_attr(void *context, const char *name, void *found);

void set_answer(answer *function) { answering = function; }

void rknn_custom_op_get_op_attr(void *context, const char *name, void *found) { answering(context, name, found); }
