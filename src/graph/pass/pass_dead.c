/* pass_dead.c -- removes nodes whose results nobody uses. Nodes and values keep their numbers. */
#include "graph/pass/rewrite.h"

const pass_def pass_def_dead = {
    .name = "dead", .description = "removes nodes without uses", .run = rewrite_finish};
