/* einsum_test.c -- Einstein sums against sums written out. */
#include "layer/assembly.h"
#include "layer/einsum.h"
#include "layer_model.h"

/* What a build function of an operation would see. */
static layer_build builder(test *t, assembly *a, layer_instance *i)
{
    static const layer_config config = {.class_name = "Einsum", .name = "e", .is_operation = true};
    *i = (layer_instance){
        .source = &config, .name = "e", .title = "e", .class_name = "Einsum", .path = ""};
    *a = (assembly){.home = t->home, .graph = graph_open(t->home), .keras_major = 3};
    CHECK(a->graph != NULL);
    return (layer_build){
        .graph = a->graph, .home = t->home, .instance = i, .scope = "", .assembly = a};
}

static value input(graph *g, const char *dims)
{
    shape s = {.rank = (uint32_t)strlen(dims)};
    for (uint32_t k = 0; k < s.rank; k++)
        s.dims[k] = dims[k] == 'n' ? dim_symbol(g, "n") : dims[k] - '0';
    return graph_input(g, EBB_F32, &s);
}

/* Equations of EinsumDense, MultiHeadAttention and numpy's manual. Digits are lengths, n an unknown
 * one. */
TEST(einsum_shapes)
{
    static const struct {
        const char *equation, *x, *y, *shape;
        uint32_t ops_max;
    } cases[] = {
        {"ab,bc->ac", "23", "34", "(2, 4)", 1},
        {"abc,cde->abde", "n56", "623", "(n, 5, 2, 3)", 3},
        {"aecd,abcd->acbe", "2345", "2645", "(2, 4, 6, 3)", 3},
        {"acbe,aecd->abcd", "2453", "2346", "(2, 5, 4, 6)", 3},
        {"...x,xy->...y", "n345", "52", "(n, 3, 4, 2)", 1},
        {"ab...,bc->ac...", "234", "35", "(2, 5, 4)", 3},
        {"bij,bij->bi", "n34", "n34", "(n, 3)", 4},
        {"i,j->ij", "3", "4", "(3, 4)", 3},
        {"i,i->", "3", "3", "()", 4},
        {"ij,jk", "23", "34", "(2, 4)", 1},
        {"ij,kj->", "23", "43", "()", 6},
        {"be,bed->bd", "n3", "n34", "(n, 4)", 4},
        {"...,...->...", "123", "523", "(5, 2, 3)", 3},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        assembly a;
        layer_instance i;
        layer_build b = builder(t, &a, &i);
        const value x = input(a.graph, cases[k].x);
        value y = input(a.graph, cases[k].y);
        if (strchr(cases[k].x, 'n') != NULL && cases[k].y[0] == 'n') {
            shape s = *graph_shape(a.graph, y);
            s.dims[0] = graph_dim(a.graph, x, 0);
            y = graph_input(a.graph, EBB_F32, &s);
        }
        char text[160];
        const value v = einsum_build(&b, cases[k].equation, x, y);
        CHECK_OK(a.graph->error.status);
        CHECK_TEXT(shape_text(a.graph, graph_shape(a.graph, v), text, sizeof text), cases[k].shape);
        CHECK(a.graph->node_count <= cases[k].ops_max);
        CHECK_OK(graph_verify(a.graph, &t->error));
    }
}

TEST(einsum_of_one_and_of_three)
{
    assembly a;
    layer_instance i;
    layer_build b = builder(t, &a, &i);
    const value x = input(a.graph, "234"), y = input(a.graph, "45"), z = input(a.graph, "52");
    char text[160];
    value v = einsum_build_many(&b, "abc->ca", &x, 1);
    CHECK_OK(a.graph->error.status);
    CHECK_TEXT(shape_text(a.graph, graph_shape(a.graph, v), text, sizeof text), "(4, 2)");
    const value three[] = {x, y, z};
    v = einsum_build_many(&b, "abc,cd,de->aeb", three, 3);
    CHECK_OK(a.graph->error.status);
    CHECK_TEXT(shape_text(a.graph, graph_shape(a.graph, v), text, sizeof text), "(2, 2, 3)");
}

TEST(einsum_faults)
{
    static const struct {
        const char *equation;
        ebb_status status;
    } cases[] = {
        {"ab,bc->ad", EBB_E_FORMAT},      {"aa,ab->b", EBB_E_UNSUPPORTED},
        {"ab->a", EBB_E_SHAPE},           {"abc,bc->a", EBB_E_SHAPE},
        {"a1,bc->a", EBB_E_FORMAT},       {"ab,bc,cd->ad", EBB_E_SHAPE},
        {"ab,bc->aa", EBB_E_UNSUPPORTED}, {"ab,cb->ac", EBB_E_SHAPE},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        assembly a;
        layer_instance i;
        layer_build b = builder(t, &a, &i);
        const value x = input(a.graph, "23"), y = input(a.graph, "34");
        CHECK_EQ(einsum_build(&b, cases[k].equation, x, y), VALUE_NONE);
        CHECK_STATUS(a.graph->error.status, cases[k].status);
    }
}

TEST_MAIN(RUN(einsum_shapes), RUN(einsum_of_one_and_of_three), RUN(einsum_faults))
