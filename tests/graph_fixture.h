/* graph_fixture.h -- a runtime with a graph and a session on it, for tests of ebb/graph.h. */
#ifndef EBB_TESTS_GRAPH_FIXTURE_H
#define EBB_TESTS_GRAPH_FIXTURE_H

#include "ebb/ebb.h"
#include "harness.h"

typedef struct fixture {
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session session;
    uint64_t before; /* live bytes of the runtime alone */
} fixture;

void fixture_open(test *t, fixture *f);
/* The same in a runtime divided into `count` logical devices with these limits (NULL: none). */
void fixture_open_on(test *t, fixture *f, size_t count, const uint64_t *bytes_max);
/* Session and graph are closed, if they are open; nothing may be left. */
void fixture_close(test *t, fixture *f);
uint64_t fixture_live(const fixture *f);

/* A float32 constant of one axis. */
ebb_tensor fixture_vector(const fixture *f, int64_t count, const float *numbers);
ebb_tensor fixture_matrix(const fixture *f, int64_t rows, int64_t columns, const float *numbers);
ebb_view fixture_view(int64_t count, float *numbers);
/* Fetches one tensor of floats. */
void fixture_fetch(test *t, const fixture *f, ebb_tensor x, float *numbers);
void fixture_numbers(test *t, const float *numbers, const float *expected, size_t count);
/* The graph has no fault. */
void fixture_good(test *t, const fixture *f);

#endif
