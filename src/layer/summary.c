/* summary.c -- Keras's summary table as text, line by line, 80 columns wide.
 *
 * The layout is that of `model.summary(line_length=80)` on Keras 3: a chain of layers has three
 * columns, anything else a fourth with connections. Cells wrap at spaces; a word that is too long
 * ends in an ellipsis, as the library that draws Keras's tables does it. Sources:
 * keras/src/utils/summary_utils.py, rich/_wrap.py. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "layer/assemble.h"
#include "layer/build.h"
#include "tensor/view.h"

#define COLUMNS_MAX    4
#define LINE_BYTES_MAX 512

typedef struct table {
    const built_model *model;
    region *scratch;
    const uint32_t *widths;
    uint32_t columns;
    const int64_t *dim_values; /* where the file fixes the rows of an input; NULL: "None" */
    bool has_weights_only; /* a graph without layers */
    bool is_first_row, failed;
    void (*line)(void *context, const char *text);
    void *context;
} table;

static const uint32_t chain_widths[] = {33, 24, 13};
static const uint32_t graph_widths[] = {21, 17, 11, 18};
static const char *const headers[] = {"Layer (type)", "Output Shape", "Param #", "Connected to"};
static const char *const weight_headers[] = {"Variable (type)", "Shape", "Param #"};
#define PARAMETERS_COLUMN 2

/* -- drawing
 * ---------------------------------------------------------------------------------------- */

static uint32_t characters(const char *text, size_t bytes)
{
    uint32_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* The piece of `text` that makes one line of a cell; *next is where the following line begins. */
static size_t piece_length(const char *text, uint32_t width, const char **next)
{
    const char *at = text;
    uint32_t used = 0;
    while (*at != '\0') {
        const size_t space = strspn(at, " "), word = strcspn(at + space, " ");
        const size_t tail = strspn(at + space + word, " ");
        const uint32_t length = (uint32_t)space + characters(at + space, word);
        if (at != text && used + length > width) break;
        at += space + word + tail;
        used += length + (uint32_t)tail;
    }
    *next = at;
    size_t bytes = (size_t)(at - text);
    while (bytes > 0 && text[bytes - 1] == ' ') bytes--;
    return bytes;
}

static size_t prefix_bytes(const char *text, size_t bytes, uint32_t count)
{
    size_t at = 0;
    for (uint32_t seen = 0; at < bytes; at++) {
        if (((unsigned char)text[at] & 0xC0) != 0x80 && seen++ == count) break;
    }
    return at;
}

static void cell_put(text_writer *w, const char *text, size_t bytes, uint32_t width, bool to_right)
{
    uint32_t length = characters(text, bytes);
    char spaces[64];
    memset(spaces, ' ', sizeof spaces);
    const bool is_cut = length > width;
    if (is_cut) {
        bytes = prefix_bytes(text, bytes, width - 1);
        length = width;
    }
    if (to_right) text_put_length(w, spaces, width - length);
    text_put_length(w, text, bytes);
    if (is_cut) text_put(w, "…");
    if (!to_right) text_put_length(w, spaces, width - length);
}

static void line_put(table *t, const text_writer *w)
{
    t->failed |= w->failed;
    if (!t->failed) t->line(t->context, w->text);
}

static void rule_put(table *t, const char *left, const char *dash, const char *cross,
                     const char *right)
{
    text_writer w;
    text_begin(&w, t->scratch);
    text_put(&w, left);
    for (uint32_t c = 0; c < t->columns; c++) {
        for (uint32_t k = 0; k < t->widths[c] + 2; k++) text_put(&w, dash);
        text_put(&w, c + 1 < t->columns ? cross : right);
    }
    line_put(t, &w);
}

/* A row as high as its highest cell. */
static void cells_put(table *t, const char *const *cells, const char *bar)
{
    const char *rest[COLUMNS_MAX];
    memcpy(rest, cells, t->columns * sizeof rest[0]);
    bool goes_on = true;
    for (bool is_first = true; is_first || goes_on; is_first = false) {
        text_writer w;
        text_begin(&w, t->scratch);
        goes_on = false;
        text_put(&w, bar);
        for (uint32_t c = 0; c < t->columns; c++) {
            const char *text = rest[c];
            const size_t bytes = piece_length(text, t->widths[c], &rest[c]);
            text_put(&w, " ");
            cell_put(&w, text, bytes, t->widths[c], c == PARAMETERS_COLUMN);
            text_put(&w, " ");
            text_put(&w, bar);
            goes_on |= rest[c][0] != '\0';
        }
        line_put(t, &w);
    }
}

static void header_put(table *t)
{
    rule_put(t, "┏", "━", "┳", "┓");
    cells_put(t, t->has_weights_only ? weight_headers : headers, "┃");
    rule_put(t, "┡", "━", "╇", "┩");
    t->is_first_row = true;
}

static void row_put(table *t, const char *const *cells)
{
    if (!t->is_first_row) rule_put(t, "├", "─", "┼", "┤");
    t->is_first_row = false;
    cells_put(t, cells, "│");
}

/* -- what stands in the cells
 * -------------------------------------------------------------------------- */

static void number_put(text_writer *w, uint64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    const size_t length = strlen(digits);
    for (size_t k = 0; k < length; k++) {
        if (k > 0 && (length - k) % 3 == 0) text_put(w, ",");
        text_put_length(w, &digits[k], 1);
    }
}

static void shape_put(const table *t, text_writer *w, const shape *s)
{
    text_put(w, "(");
    for (uint32_t k = 0; k < s->rank; k++) {
        if (k > 0) text_put(w, ", ");
        const bool is_number = dim_known(s->dims[k]) || t->dim_values != NULL;
        if (!is_number)
            text_put(w, "None");
        else
            text_format(w, "%lld", (long long)dim_value(s->dims[k], t->dim_values));
    }
    text_put(w, ")");
}

static void shapes_put(const table *t, text_writer *w, const layer_instance *i)
{
    if (i->last_shape_count == 0) text_put(w, "?");
    if (i->last_shape_count > 1) text_put(w, "[");
    for (uint32_t k = 0; k < i->last_shape_count; k++) {
        if (k > 0) text_put(w, ", ");
        shape_put(t, w, &i->last_shapes[k]);
    }
    if (i->last_shape_count > 1) text_put(w, "]");
}

static uint64_t weight_elements(const layer_weight *w)
{
    uint64_t count = 0;
    return dims_count(w->rank, w->dims, &count) ? count : 0;
}

/* Recursion: LAYER_DEPTH_MAX. */
static uint64_t parameters_of(const layer_instance *i)
{
    uint64_t count = 0;
    for (uint32_t k = 0; k < i->weight_count; k++) count += weight_elements(&i->weights[k]);
    for (uint32_t k = 0; k < i->child_count; k++) count += parameters_of(i->children[k]);
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++) {
        count += parameters_of(i->model->layers[k]);
    }
    return count;
}

/* Recursion: as deep as the calls were read. */
static uint32_t argument_connections(const table *t, text_writer *w, const argument *a)
{
    if (a->kind == ARGUMENT_TENSOR) {
        if (w->length > 0) text_put(w, ", ");
        text_format(w, "%s[%u][%u]", t->model->top->config->layers[a->ref.layer].name, a->ref.node,
                    a->ref.tensor);
        return 1;
    }
    uint32_t count = 0;
    for (uint32_t k = 0; a->kind == ARGUMENT_LIST && k < a->item_count; k++) {
        count += argument_connections(t, w, &a->items[k]);
    }
    return count;
}

static void connections_put(const table *t, text_writer *w, const layer_config *layer)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < layer->call_count; n++) {
        const call_config *call = &layer->calls[n];
        for (uint32_t k = 0; k < call->argument_count; k++) {
            count += argument_connections(t, w, &call->arguments[k]);
        }
    }
    if (count == 0) text_put(w, "-");
}

static void layer_put(table *t, uint32_t index)
{
    const layer_instance *i = t->model->top->layers[index];
    const layer_config *config = &t->model->top->config->layers[index];
    text_writer cells[COLUMNS_MAX];
    const char *texts[COLUMNS_MAX];
    for (uint32_t c = 0; c < t->columns; c++) text_begin(&cells[c], t->scratch);
    text_format(&cells[0], "%s (%s)", i->name, i->class_name);
    shapes_put(t, &cells[1], i);
    number_put(&cells[PARAMETERS_COLUMN], parameters_of(i));
    if (i->last_shape_count == 0) text_put(&cells[PARAMETERS_COLUMN], " (unbuilt)");
    if (t->columns == COLUMNS_MAX) connections_put(t, &cells[3], config);
    for (uint32_t c = 0; c < t->columns; c++) {
        t->failed |= cells[c].failed;
        texts[c] = cells[c].text;
    }
    if (!t->failed) row_put(t, texts);
}

/* -- below the table
 * ------------------------------------------------------------------------------------ */

static void total_put(table *t, const char *title, uint64_t parameters, uint64_t bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double size = (double)bytes;
    uint32_t unit = 0;
    for (; size >= 1024 && unit < 5; unit++) size /= 1024;
    text_writer w;
    text_begin(&w, t->scratch);
    text_format(&w, " %s: ", title);
    number_put(&w, parameters);
    text_format(&w, " (%.2f %s)", size, units[unit]);
    line_put(t, &w);
}

static void totals_put(table *t)
{
    uint64_t bytes = 0, bytes_trainable = 0;
    for (uint32_t k = 0; k < t->model->weight_count; k++) {
        const layer_weight *w = t->model->weights[k];
        const uint64_t size = weight_elements(w) * ebb_dtype_bytes(w->dtype);
        bytes += size;
        if (w->trainable) bytes_trainable += size;
    }
    const uint64_t all = t->model->parameters, trainable = t->model->parameters_trainable;
    total_put(t, "Total params", all, bytes);
    total_put(t, "Trainable params", trainable, bytes_trainable);
    total_put(t, "Non-trainable params", all - trainable, bytes - bytes_trainable);
}

/* -- chain or graph
 * -------------------------------------------------------------------------------------- */

typedef struct use_count {
    uint32_t *consumers; /* per layer: calls that use it */
    uint32_t inputs_max; /* tensors of one call */
} use_count;

/* Recursion: as deep as the calls were read. */
static uint32_t argument_uses(use_count *u, const argument *a)
{
    if (a->kind == ARGUMENT_TENSOR) {
        u->consumers[a->ref.layer]++;
        return 1;
    }
    uint32_t count = 0;
    for (uint32_t k = 0; a->kind == ARGUMENT_LIST && k < a->item_count; k++) {
        count += argument_uses(u, &a->items[k]);
    }
    return count;
}

/* Every layer called at most once with one tensor, and only one layer whose result nobody uses. */
static bool is_chain(const model_config *m, region *scratch, bool *failed)
{
    use_count u = {.consumers = region_new(scratch, uint32_t, m->layer_count + 1)};
    uint32_t ends = 0;
    *failed = u.consumers == NULL;
    if (*failed || strcmp(m->class_name, "Sequential") == 0) return true;
    for (uint32_t i = 0; i < m->layer_count; i++) {
        if (m->layers[i].call_count > 1) return false;
        for (uint32_t n = 0; n < m->layers[i].call_count; n++) {
            const call_config *call = &m->layers[i].calls[n];
            uint32_t tensors = 0;
            for (uint32_t k = 0; k < call->argument_count; k++) {
                tensors += argument_uses(&u, &call->arguments[k]);
            }
            if (tensors > 1) return false;
        }
    }
    for (uint32_t i = 0; i < m->layer_count; i++) ends += u.consumers[i] == 0;
    return ends == 1;
}

/* Rows of the inputs when the file says how many (a Sequential built on data); -1 otherwise. */
static int64_t rows_stored(const model_config *m)
{
    if (m->input_count == 0) return -1;
    const json *dims = json_get(m->layers[m->inputs[0].ref.layer].config, "batch_shape");
    return json_integer(json_item(dims, 0), -1);
}

static const int64_t *dim_values_make(table *t)
{
    const graph *g = t->model->graph;
    const int64_t rows = rows_stored(t->model->top->config);
    if (rows < 0 || dim_symbol_count(g) != 1) return NULL;
    int64_t *values = region_new(t->scratch, int64_t, dim_count(g) + 1);
    t->failed |= values == NULL;
    if (values == NULL || dim_evaluate(g, &rows, values, NULL) != EBB_OK) return NULL;
    return values;
}

static bool is_hidden(const model_config *m, const layer_config *layer)
{
    return strcmp(m->class_name, "Sequential") == 0 && strcmp(layer->class_name, "InputLayer") == 0;
}

/* A graph without layers: its weights are the rows. */
static void weight_put(table *t, const layer_weight *w)
{
    text_writer cells[COLUMNS_MAX];
    const char *texts[COLUMNS_MAX];
    for (uint32_t c = 0; c < t->columns; c++) text_begin(&cells[c], t->scratch);
    text_format(&cells[0], "%s%s%s (%s)", w->title, w->title[0] != 0 ? "/" : "", w->name,
                ebb_dtype_name(w->dtype));
    text_put(&cells[1], "(");
    for (uint32_t k = 0; k < w->rank; k++)
        text_format(&cells[1], "%s%lld", k > 0 ? ", " : "", (long long)w->dims[k]);
    text_put(&cells[1], ")");
    number_put(&cells[PARAMETERS_COLUMN], weight_elements(w));
    for (uint32_t c = 0; c < t->columns; c++) {
        t->failed |= cells[c].failed;
        texts[c] = cells[c].text;
    }
    if (!t->failed) row_put(t, texts);
}

static void rows_put(table *t, const model_config *m)
{
    for (uint32_t i = 0; i < m->layer_count && !t->failed; i++) {
        if (!is_hidden(m, &m->layers[i])) layer_put(t, i);
    }
    for (uint32_t i = 0; t->has_weights_only && i < t->model->weight_count && !t->failed; i++)
        weight_put(t, t->model->weights[i]);
}

ebb_status summary_write(region *scratch, const built_model *model, const description *d,
                         void (*line)(void *context, const char *text), void *context,
                         ebb_error *error)
{
    const model_config *m = model->top->config;
    region *home = region_open(scratch, "summary", EBB_CLASS_META, 0);
    if (home == NULL) return region_fail(scratch, error, d->path, "the summary");
    table t = {.model = model, .scratch = home, .line = line, .context = context};
    t.has_weights_only = d->model == NULL;
    const bool chain = t.has_weights_only || is_chain(m, home, &t.failed);
    t.widths = chain ? chain_widths : graph_widths;
    t.columns = chain ? COLUMNS_MAX - 1 : COLUMNS_MAX;
    t.dim_values = dim_values_make(&t);
    const char *title = region_format(home, "Model: \"%s\"", m->name);
    t.failed |= title == NULL;
    if (!t.failed) {
        line(context, title);
        header_put(&t);
        rows_put(&t, m);
        rule_put(&t, "└", "─", "┴", "┘");
        totals_put(&t);
    }
    const ebb_status status = t.failed ? region_fail(home, error, d->path, "the summary") : EBB_OK;
    region_close(home);
    return status;
}
