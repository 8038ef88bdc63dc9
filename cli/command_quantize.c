/* command_quantize.c -- `ebb quantize`: a model with weights of fewer bits. */
#include "shrunk.h"

static ebb_status quantize(shrink_task *t, ebb_model model, ebb_shrink_report *report,
                           ebb_error *error)
{
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;

    options.dtype = t->v->to;
    options.only = t->v->only.items;
    options.only_count = t->v->only.count;
    options.skip = t->v->skip.items;
    options.skip_count = t->v->skip.count;
    options.elements_min = t->v->elements_min;
    options.report = shrink_tell;
    options.context = t;
    return ebb_model_quantize(model, &options, report, error);
}

static int run(const invocation *call)
{
    return shrink_run(call, quantize);
}

static const option options[] = {
    {"to", OPTION_TEXT, offsetof(shrink_values, to), "TYPE",
     "int8, float16 or bfloat16 (default: int8)"},
    SHRINK_OPTIONS,
};

const command command_quantize = {
    .name = "quantize",
    .summary = "writes a model whose weights take a half or a quarter of the bytes",
    .usage = "MODEL OUT [--to TYPE] [options]",
    .help = "Keeps the weights of MODEL as int8 (a scale per output channel), float16 or\n"
            "bfloat16 and writes OUT, a .keras file. ebb keeps them so in memory as well.\n"
            "Keras reads OUT with float16 and bfloat16, and refuses it with int8; `ebb\n"
            "convert` makes a float32 file for Keras of either. Biases, normalisation and\n"
            "small arrays stay float32. `ebb compare` tells what it costs.",
    .example = "  ebb quantize model.keras small.keras --to int8\n"
               "  ebb quantize model.keras half.keras --to float16 --skip Embedding\n"
               "  ebb compare model.keras small.keras --input x.npz",
    .options = options,
    .values_bytes = sizeof(shrink_values),
    .words_min = 2,
    .words_max = 2,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
