/* What C calls and Python answers. `context` is a handle made by ffi.new_handle(). */
extern "Python" {
    bool ebb_python_text(void *context, const char *text, size_t length);
    ebb_status ebb_python_batch(void *context, bool restart, ebb_batch *batch, ebb_error *error);
    bool ebb_python_training(void *context, const ebb_training_event *event);
    bool ebb_python_shrink(void *context, const ebb_shrink_step *step);
    bool ebb_python_progress(void *context, uint64_t rows_done, uint64_t rows_total);
    ebb_status ebb_python_trace(void *context, ebb_graph graph, const ebb_tensor *inputs,
                                size_t input_count, ebb_tensor *outputs, size_t output_count,
                                ebb_error *error);
    bool ebb_python_each(void *context, ebb_model model, size_t index, const char *path);
    bool ebb_python_each_failed(void *context, size_t index, const char *path,
                                const ebb_error *error);
}
