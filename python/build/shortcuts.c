/* See shortcuts.h. */

/* A prediction of a model with one input and one output: the views are templates whose rows and
 * data are filled in here, so that they can be shared by threads. */
static ebb_status ebb_python_predict_one(uint64_t model, const ebb_view *input, const void *data,
                                         int64_t rows, const ebb_view *output, void *result,
                                         ebb_error *error)
{
    ebb_view in = *input, out = *output;
    in.dims[0] = rows;
    in.data = (void *)data;
    out.dims[0] = rows;
    out.data = result;
    return ebb_model_predict((ebb_model){model}, &(ebb_views){&in, 1}, &(ebb_views){&out, 1},
                             error);
}
