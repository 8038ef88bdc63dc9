/* dim.c -- the table of length expressions: hash-consing, normal forms, evaluation.
 *
 * Two normal forms make equal lengths equal numbers:
 *   sums      factor * atom + ... + number, atoms in order of creation, a common factor taken out
 *   products  atom * atom * ... * number, atoms in order of creation
 * A quotient by a number is split into what divides and a rest, so that the usual ways to write
 * the length behind a strided convolution meet: ceil(n/2) == floor((n - 1)/2) + 1 == (n + 1)/2.
 *
 * Invariants: operands of an entry come before it; a sum's left operand may be a sum, its right
 * one is an atom, an atom times a number, or a number; the same for products. A negative number is
 * the entry 0 - n. Checks (two lengths must agree) are entries too, so evaluation meets them even
 * when no shape uses them.
 */
#include "graph/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"

#define TERMS_MAX      24 /* longer sums and products stay as they are written */
#define TEXT_DEPTH_MAX 12 /* levels of an expression in a message */

typedef struct dim_entry {
    dim_kind kind;
    uint32_t next; /* chain of equal hashes: entry + 1, 0 at the end */
    dim a, b;
    bool is_required; /* must not be negative */
} dim_entry;

struct dim_table {
    dim_entry *entries;
    uint32_t *heads; /* one per place in entries: entry + 1 */
    uint32_t count, capacity;
    const char **names; /* of the free symbols */
    uint32_t symbol_count, symbol_capacity;
};

typedef struct linear {
    struct {
        dim atom;
        int64_t factor;
    } terms[TERMS_MAX];
    uint32_t count;
    int64_t number;
    bool is_full, is_overflow;
} linear;

typedef struct product {
    dim atoms[TERMS_MAX];
    uint32_t count;
    int64_t number;
    bool is_full, is_overflow;
} product;

/* -- the table -------------------------------------------------------------------------------- */

static const dim_entry *entry_of(const graph *g, dim d)
{
    return &g->dims->entries[-1 - d];
}

static uint32_t hash_of(const struct dim_table *t, dim_kind kind, dim a, dim b)
{
    uint64_t hash =
        (uint64_t)a * 0x9E3779B97F4A7C15u + (uint64_t)b * 0xC2B2AE3D27D4EB4Fu + (uint64_t)kind;

    hash ^= hash >> 29;
    return (uint32_t)(hash % t->capacity);
}

static bool table_grow(graph *g)
{
    struct dim_table *t = g->dims;
    uint32_t capacity = t->capacity;
    dim_entry *entries = graph_grow(g, t->entries, t->count, &capacity, sizeof *entries);
    if (entries == NULL) return false;
    if (capacity == t->capacity) return true;

    uint32_t *heads = graph_memory(g, capacity, sizeof *heads);
    if (heads == NULL) return false;
    t->entries = entries;
    t->heads = heads;
    t->capacity = capacity;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t *head = &heads[hash_of(t, entries[i].kind, entries[i].a, entries[i].b)];
        entries[i].next = *head;
        *head = i + 1;
    }
    return true;
}

static dim intern(graph *g, dim_kind kind, dim a, dim b)
{
    struct dim_table *t = g->dims;

    if (!graph_ok(g)) return 0;
    for (uint32_t i = t->capacity > 0 ? t->heads[hash_of(t, kind, a, b)] : 0; i != 0;
         i = t->entries[i - 1].next) {
        const dim_entry *e = &t->entries[i - 1];
        if (e->kind == kind && e->a == a && e->b == b) return -(dim)i;
    }
    if (t->count >= DIM_UNKNOWN_MAX) {
        graph_fault(g, EBB_E_UNSUPPORTED, "more than %d different lengths depend on the inputs",
                    DIM_UNKNOWN_MAX);
        return 0;
    }
    if (!table_grow(g)) return 0;
    uint32_t *head = &t->heads[hash_of(t, kind, a, b)];
    t->entries[t->count] = (dim_entry){.kind = kind, .next = *head, .a = a, .b = b};
    *head = ++t->count;
    return -(dim)t->count;
}

bool dim_table_open(graph *g)
{
    g->dims = region_new(g->home, struct dim_table, 1);
    return g->dims != NULL;
}

dim dim_symbol(graph *g, const char *name)
{
    struct dim_table *t = g->dims;

    if (!graph_ok(g)) return 0;
    const char **names =
        graph_grow(g, t->names, t->symbol_count, &t->symbol_capacity, sizeof *names);
    if (names == NULL) return 0;
    t->names = names;
    names[t->symbol_count] = region_text(g->home, name != NULL ? name : "?");
    if (names[t->symbol_count] == NULL) {
        (void)graph_memory(g, SIZE_MAX, 1);
        return 0;
    }
    return intern(g, DIM_INPUT, t->symbol_count++, 0);
}

/* -- numbers ---------------------------------------------------------------------------------- */

static bool is_number(const graph *g, dim d, int64_t *number)
{
    *number = d;
    if (d >= 0) return true;
    const dim_entry *e = entry_of(g, d);
    if (e->kind != DIM_SUB || e->a != 0 || e->b < 0) return false;
    *number = -e->b;
    return true;
}

static dim overflow(graph *g)
{
    graph_fault(g, EBB_E_SHAPE, "a length does not fit into 64 bits");
    return 0;
}

static dim make_number(graph *g, int64_t number)
{
    if (number >= 0) return number;
    if (number == INT64_MIN) return overflow(g);
    return intern(g, DIM_SUB, 0, -number);
}

static int64_t floor_divide(int64_t a, int64_t b) /* b > 0 */
{
    return a / b - (a % b < 0);
}

static int64_t common_divisor(int64_t a, int64_t b) /* of the magnitudes */
{
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;

    while (y != 0) {
        const uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

/* -- products --------------------------------------------------------------------------------- */

static void product_insert(product *p, dim atom)
{
    uint32_t place = p->count;

    if (p->count == TERMS_MAX) {
        p->is_full = true;
        return;
    }
    for (; place > 0 && p->atoms[place - 1] < atom; place--) p->atoms[place] = p->atoms[place - 1];
    p->atoms[place] = atom;
    p->count++;
}

static void product_add(const graph *g, product *p, dim d)
{
    for (bool more = true; more;) {
        int64_t number;
        dim factor = d;

        more = d < 0 && entry_of(g, d)->kind == DIM_MUL;
        if (more) {
            factor = entry_of(g, d)->b;
            d = entry_of(g, d)->a;
        }
        if (!is_number(g, factor, &number))
            product_insert(p, factor);
        else if (!i64_mul(p->number, number, &p->number))
            p->is_overflow = true;
    }
}

static dim product_build(graph *g, const product *p)
{
    if (p->is_overflow) return overflow(g);
    if (p->count == 0 || p->number == 0) return make_number(g, p->number);
    dim d = p->atoms[0];
    for (uint32_t i = 1; i < p->count; i++) d = intern(g, DIM_MUL, d, p->atoms[i]);
    return p->number == 1 ? d : intern(g, DIM_MUL, d, make_number(g, p->number));
}

static dim multiply(graph *g, dim a, dim b)
{
    product p = {.number = 1};

    product_add(g, &p, a);
    product_add(g, &p, b);
    return p.is_full ? intern(g, DIM_MUL, a > b ? a : b, a > b ? b : a) : product_build(g, &p);
}

/* -- sums ------------------------------------------------------------------------------------- */

static void linear_insert(linear *l, dim atom, int64_t factor)
{
    uint32_t place = 0;

    while (place < l->count && l->terms[place].atom > atom) place++;
    if (place < l->count && l->terms[place].atom == atom) {
        if (!i64_add(l->terms[place].factor, factor, &l->terms[place].factor))
            l->is_overflow = true;
        return;
    }
    if (l->count == TERMS_MAX) {
        l->is_full = true;
        return;
    }
    memmove(&l->terms[place + 1], &l->terms[place], (l->count - place) * sizeof l->terms[0]);
    l->terms[place].atom = atom;
    l->terms[place].factor = factor;
    l->count++;
}

/* One operand of a sum: an atom, an atom times a number, or a number. */
static void linear_add_term(const graph *g, linear *l, dim d, int64_t factor)
{
    int64_t number;

    if (is_number(g, d, &number)) {
        if (!i64_mul(number, factor, &number) || !i64_add(l->number, number, &l->number))
            l->is_overflow = true;
        return;
    }
    if (entry_of(g, d)->kind == DIM_MUL && is_number(g, entry_of(g, d)->b, &number)) {
        if (!i64_mul(factor, number, &factor)) l->is_overflow = true;
        d = entry_of(g, d)->a;
    }
    linear_insert(l, d, factor);
}

static bool is_sum(const graph *g, dim d)
{
    int64_t number;

    if (is_number(g, d, &number)) return false;
    return entry_of(g, d)->kind == DIM_ADD || entry_of(g, d)->kind == DIM_SUB;
}

static void linear_add(const graph *g, linear *l, dim d, int64_t factor)
{
    int64_t number;

    if (d < 0 && entry_of(g, d)->kind == DIM_MUL && is_sum(g, entry_of(g, d)->a) &&
        is_number(g, entry_of(g, d)->b, &number)) {
        if (!i64_mul(factor, number, &factor)) l->is_overflow = true;
        d = entry_of(g, d)->a;
    }
    while (is_sum(g, d)) {
        const dim_entry *e = entry_of(g, d);
        int64_t sign = factor;

        if (e->kind == DIM_SUB && !i64_mul(factor, -1, &sign)) l->is_overflow = true;
        linear_add_term(g, l, e->b, sign);
        d = e->a;
    }
    linear_add_term(g, l, d, factor);
}

static dim linear_term(graph *g, dim atom, int64_t factor)
{
    return factor == 1 ? atom : intern(g, DIM_MUL, atom, factor);
}

static dim linear_build(graph *g, linear *l)
{
    if (l->is_overflow) return overflow(g);
    int64_t divisor = l->number;
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->terms[i].factor == INT64_MIN) return overflow(g);
        if (l->terms[i].factor == 0) continue;
        divisor = common_divisor(divisor, l->terms[i].factor);
        l->terms[count++] = l->terms[i];
    }
    if (count == 0) return make_number(g, l->number);

    l->number /= divisor;
    dim d = l->number > 0 ? l->number : 0;
    bool is_empty = true;
    for (uint32_t i = 0; i < count; i++) {
        l->terms[i].factor /= divisor;
        if (l->terms[i].factor < 0) continue;
        const dim term = linear_term(g, l->terms[i].atom, l->terms[i].factor);
        d = is_empty ? term : intern(g, DIM_ADD, d, term);
        is_empty = false;
    }
    for (uint32_t i = 0; i < count; i++)
        if (l->terms[i].factor < 0)
            d = intern(g, DIM_SUB, d, linear_term(g, l->terms[i].atom, -l->terms[i].factor));
    if (l->number > 0 && !is_empty) d = intern(g, DIM_ADD, d, l->number);
    if (l->number < 0) d = intern(g, DIM_SUB, d, -l->number);
    return divisor == 1 ? d : multiply(g, d, divisor);
}

static dim add(graph *g, dim_kind kind, dim a, dim b)
{
    linear l = {.count = 0};

    linear_add(g, &l, a, 1);
    linear_add(g, &l, b, kind == DIM_ADD ? 1 : -1);
    return l.is_full ? intern(g, kind, a, b) : linear_build(g, &l);
}

/* -- quotients -------------------------------------------------------------------------------- */

/* (factors + number) / divisor without what divides all: floor((gA + n) / gc) == floor((A +
 * floor(n / g)) / c). Then what is a multiple of the divisor moves to `outside`. */
static void split(linear *l, int64_t *divisor, linear *outside)
{
    int64_t common = *divisor;

    for (uint32_t i = 0; i < l->count; i++) common = common_divisor(common, l->terms[i].factor);
    *divisor /= common;
    l->number = floor_divide(l->number, common);
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const int64_t factor = l->terms[i].factor / common;
        const int64_t whole = floor_divide(factor, *divisor);
        if (whole != 0) linear_insert(outside, l->terms[i].atom, whole);
        l->terms[count].atom = l->terms[i].atom;
        l->terms[count].factor = factor - whole * *divisor;
        count += l->terms[count].factor != 0;
    }
    l->count = count;
    const int64_t whole = floor_divide(l->number, *divisor);
    l->number -= whole * *divisor;
    if (!i64_add(outside->number, whole, &outside->number)) outside->is_overflow = true;
}

static dim divide_by_number(graph *g, const dim dividend, const int64_t by)
{
    linear outside = {.count = 0};
    dim a = dividend;
    int64_t divisor = by;

    for (;;) { /* each turn removes one level of quotients */
        linear inner = {.count = 0};

        linear_add(g, &inner, a, 1);
        if (inner.is_overflow) return overflow(g);
        if (inner.is_full) break;
        split(&inner, &divisor, &outside);
        if (outside.is_full) return intern(g, DIM_DIV, dividend, by);
        if (inner.count == 0) return linear_build(g, &outside);

        const dim atom = inner.terms[0].atom;
        const int64_t number = inner.number;
        int64_t offset, whole;
        const bool is_nested = inner.count == 1 && inner.terms[0].factor == 1 &&
                               entry_of(g, atom)->kind == DIM_DIV && entry_of(g, atom)->b > 0 &&
                               i64_mul(number, entry_of(g, atom)->b, &offset) &&
                               i64_mul(divisor, entry_of(g, atom)->b, &whole);
        if (!is_nested) {
            a = linear_build(g, &inner);
            break;
        }
        a = add(g, DIM_ADD, entry_of(g, atom)->a, offset);
        divisor = whole;
    }
    if (!graph_ok(g)) return 0;
    linear_add(g, &outside, intern(g, DIM_DIV, a, divisor), 1);
    return outside.is_full ? intern(g, DIM_DIV, dividend, by) : linear_build(g, &outside);
}

/* Takes common factors out of both. */
static void cancel(graph *g, dim *a, dim *b)
{
    product above = {.number = 1}, below = {.number = 1};

    product_add(g, &above, *a);
    product_add(g, &below, *b);
    if (above.is_full || below.is_full || above.is_overflow || below.is_overflow) return;
    uint32_t left_above = 0, left_below = 0, i = 0, k = 0;
    while (i < above.count || k < below.count) {
        if (i < above.count && k < below.count && above.atoms[i] == below.atoms[k]) {
            i++;
            k++;
        } else if (k == below.count || (i < above.count && above.atoms[i] > below.atoms[k])) {
            above.atoms[left_above++] = above.atoms[i++];
        } else {
            below.atoms[left_below++] = below.atoms[k++];
        }
    }
    above.count = left_above;
    below.count = left_below;
    const int64_t common = common_divisor(above.number, below.number);
    if (common > 1) {
        above.number /= common;
        below.number /= common;
    }
    *a = product_build(g, &above);
    *b = product_build(g, &below);
}

static dim divide(graph *g, dim_kind kind, dim a, dim b)
{
    int64_t number, above;

    if (!is_number(g, b, &number)) cancel(g, &a, &b);
    if (!graph_ok(g)) return 0;
    if (is_number(g, b, &number)) {
        if (number <= 0) {
            graph_fault(g, EBB_E_SHAPE, "a length is divided by %lld", (long long)number);
            return 0;
        }
        if (kind == DIM_DIV_UP) a = add(g, DIM_ADD, a, number - 1);
        return graph_ok(g) ? divide_by_number(g, a, number) : 0;
    }
    if (is_number(g, a, &above) && above == 0) return 0;
    return intern(g, kind, a, b);
}

/* -- comparisons ------------------------------------------------------------------------------ */

static dim maximum(graph *g, dim a, dim b)
{
    int64_t x, y;

    if (a == b) return a;
    const bool a_is_number = is_number(g, a, &x), b_is_number = is_number(g, b, &y);
    if (a_is_number && b_is_number) return x > y ? a : b;
    if (a_is_number && x <= 0 && entry_of(g, b)->kind == DIM_INPUT) return b;
    if (b_is_number && y <= 0 && entry_of(g, a)->kind == DIM_INPUT) return a;
    return intern(g, DIM_MAX, a > b ? a : b, a > b ? b : a);
}

/* Both kinds leave their check in the table and return a number or the older expression if they
 * can. */
static dim agree(graph *g, dim_kind kind, dim a, dim b)
{
    const dim simple = a > b ? a : b, other = a > b ? b : a;

    if (a == b) return a;
    if (kind == DIM_BROADCAST && (a == 1 || b == 1)) return a == 1 ? b : a;
    if (dim_known(other)) {
        graph_fault(g, EBB_E_SHAPE, "lengths %lld and %lld %s", (long long)a, (long long)b,
                    kind == DIM_SAME ? "must be equal" : "do not broadcast");
        return 0;
    }
    const dim entry = intern(g, kind, simple, other);
    return kind == DIM_SAME || dim_known(simple) ? simple : entry;
}

dim dim_make(graph *g, dim_kind kind, dim a, dim b)
{
    if (!graph_ok(g)) return 0;
    switch (kind) {
    case DIM_ADD:
    case DIM_SUB: return add(g, kind, a, b);
    case DIM_MUL: return multiply(g, a, b);
    case DIM_DIV:
    case DIM_DIV_UP: return divide(g, kind, a, b);
    case DIM_MAX: return maximum(g, a, b);
    case DIM_BROADCAST:
    case DIM_SAME: return agree(g, kind, a, b);
    case DIM_INPUT: break;
    }
    graph_fault(g, EBB_E_ARGUMENT, "no such kind of length: %d", (int)kind);
    return 0;
}

void dim_require(graph *g, dim d)
{
    int64_t number;

    if (!graph_ok(g) || d >= 0) return;
    if (is_number(g, d, &number)) {
        graph_fault(g, EBB_E_SHAPE, "a length would be %lld", (long long)number);
        return;
    }
    g->dims->entries[-1 - d].is_required = true;
}

bool dim_parts(const graph *g, dim d, dim_kind *kind, dim *a, dim *b)
{
    if (dim_known(d)) return false;
    const dim_entry *e = entry_of(g, d);
    *kind = e->kind;
    *a = e->a;
    *b = e->b;
    return true;
}

uint32_t dim_count(const graph *g)
{
    return g->dims->count;
}

uint32_t dim_symbol_count(const graph *g)
{
    return g->dims->symbol_count;
}

const char *dim_symbol_name(const graph *g, uint32_t symbol)
{
    return symbol < g->dims->symbol_count ? g->dims->names[symbol] : "?";
}

/* -- evaluation ------------------------------------------------------------------------------- */

static ebb_status clash(const graph *g, uint32_t index, const int64_t *symbols,
                        const int64_t *values, ebb_error *error)
{
    const dim_entry *e = &g->dims->entries[index];
    char left[80], right[80], given[120] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < g->dims->symbol_count && used < sizeof given; i++)
        used += (size_t)snprintf(given + used, sizeof given - used, "%s%s = %lld",
                                 i > 0 ? ", " : "", g->dims->names[i], (long long)symbols[i]);
    if (e->kind == DIM_SAME || e->kind == DIM_BROADCAST)
        return fail(error, EBB_E_SHAPE, "input shapes",
                    "lengths %s = %lld and %s = %lld %s, with %s",
                    dim_text(g, e->a, left, sizeof left), (long long)dim_value(e->a, values),
                    dim_text(g, e->b, right, sizeof right), (long long)dim_value(e->b, values),
                    e->kind == DIM_SAME ? "must be equal" : "do not broadcast", given);
    return fail(error, EBB_E_SHAPE, "input shapes",
                "the length %s is %lld, with %s; give a longer input",
                dim_text(g, -1 - (dim)index, left, sizeof left), (long long)values[index], given);
}

/* False: the number does not exist (division by nothing, too large, lengths that clash). */
static bool evaluate(dim_kind kind, int64_t a, int64_t b, int64_t *result)
{
    switch (kind) {
    case DIM_ADD: return i64_add(a, b, result);
    case DIM_SUB: return !__builtin_sub_overflow(a, b, result);
    case DIM_MUL: return i64_mul(a, b, result);
    case DIM_DIV: return b > 0 && (*result = floor_divide(a, b), true);
    case DIM_DIV_UP: return b > 0 && (*result = floor_divide(a, b) + (a % b != 0), true);
    case DIM_MAX: return *result = a > b ? a : b, true;
    case DIM_BROADCAST: return *result = a == 1 ? b : a, a == b || a == 1 || b == 1;
    case DIM_SAME: return *result = a, a == b;
    case DIM_INPUT: break;
    }
    return false;
}

ebb_status dim_evaluate(const graph *g, const int64_t *symbols, int64_t *values, ebb_error *error)
{
    for (uint32_t i = 0; i < g->dims->count; i++) {
        const dim_entry *e = &g->dims->entries[i];

        if (e->kind == DIM_INPUT) {
            values[i] = symbols[e->a];
            if (values[i] < 0) return clash(g, i, symbols, values, error);
            continue;
        }
        values[i] = 0;
        if (!evaluate(e->kind, dim_value(e->a, values), dim_value(e->b, values), &values[i]) ||
            (e->is_required && values[i] < 0))
            return clash(g, i, symbols, values, error);
    }
    return EBB_OK;
}

/* -- text ------------------------------------------------------------------------------------- */

typedef struct writer {
    char *text;
    uint32_t used, capacity;
} writer;

static void put(writer *w, const char *text)
{
    for (; *text != '\0' && w->used + 1 < w->capacity; text++) w->text[w->used++] = *text;
}

/* Depth at most TEXT_DEPTH_MAX. */
static void put_dim(writer *w, const graph *g, dim d, uint32_t depth)
{
    static const char *const before[] = {"", "(", "(", "(", "(", "ceil(", "max(", "(", "("};
    static const char *const between[] = {"", "+", "-", "*", "/", "/", ", ", " or ", "="};
    char number[24];
    int64_t n;

    if (is_number(g, d, &n)) {
        (void)snprintf(number, sizeof number, "%lld", (long long)n);
        put(w, number);
        return;
    }
    const dim_entry *e = entry_of(g, d);
    if (e->kind == DIM_INPUT || depth == TEXT_DEPTH_MAX) {
        put(w, e->kind == DIM_INPUT ? g->dims->names[e->a] : "...");
        return;
    }
    put(w, before[e->kind]);
    put_dim(w, g, e->a, depth + 1);
    put(w, between[e->kind]);
    put_dim(w, g, e->b, depth + 1);
    put(w, ")");
}

char *dim_text(const graph *g, dim d, char *text, uint32_t capacity)
{
    writer w = {.text = text, .capacity = capacity};

    if (capacity == 0) return text;
    put_dim(&w, g, d, 0);
    text[w.used] = '\0';
    return text;
}

/* -- questions about symbols ------------------------------------------------------------------ */

int64_t dim_symbol_number(const graph *g, dim d)
{
    if (d >= 0) return -1;
    const dim_entry *e = entry_of(g, d);
    return e->kind == DIM_INPUT ? e->a : -1;
}

/* Operands come before their entry, so one sweep up to `d` is enough. */
bool dim_depends(const graph *g, dim d, uint32_t symbol)
{
    bool holds[DIM_UNKNOWN_MAX];

    if (d >= 0) return false;
    const uint32_t last = (uint32_t)(-1 - d);
    for (uint32_t i = 0; i <= last; i++) {
        const dim_entry *e = &g->dims->entries[i];
        holds[i] = e->kind == DIM_INPUT
                       ? e->a == (int64_t)symbol
                       : (e->a < 0 && holds[-1 - e->a]) || (e->b < 0 && holds[-1 - e->b]);
    }
    return holds[last];
}

dim dim_translate(graph *to, const graph *from, dim d, const dim *symbols)
{
    const uint32_t last = dim_known(d) ? 0 : (uint32_t)-d;
    dim translated[DIM_UNKNOWN_MAX];

    if (dim_known(d) || !graph_ok(to)) return graph_ok(to) ? d : 0;
    for (uint32_t i = 0; i < last; i++) { /* operands come first */
        const dim_entry *e = &from->dims->entries[i];
        if (e->kind == DIM_INPUT) {
            translated[i] = symbols[e->a];
            continue;
        }
        const dim a = dim_known(e->a) ? e->a : translated[-1 - e->a];
        const dim b = dim_known(e->b) ? e->b : translated[-1 - e->b];
        translated[i] = dim_make(to, e->kind, a, b);
    }
    return translated[last - 1];
}
