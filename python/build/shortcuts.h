/* C functions of the extension itself: several calls of the library in one, where the time that
 * Python needs between them would count. */
ebb_status ebb_python_predict_one(uint64_t model, const ebb_view *input, const void *data,
                                  int64_t rows, const ebb_view *output, void *result,
                                  ebb_error *error);
