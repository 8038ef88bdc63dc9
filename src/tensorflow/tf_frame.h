/* tf_frame.h -- a graph or a function while it is walked: nodes are emitted when something asks for
 * one of their outputs, each once.
 *
 *     importer ── frame of the graph ── frame of the function it calls ── frame of a loop's body
 *
 * Inside one frame the walk keeps its own stack, so a chain of nodes may be of any length; frames
 * call each other, to TF_CALL_DEPTH_MAX. */
#ifndef EBB_TENSORFLOW_TF_FRAME_H
#define EBB_TENSORFLOW_TF_FRAME_H

#include "tensorflow/tf_call.h"

#define TF_CALL_DEPTH_MAX 64
#define TF_NODES_MAX      2000000 /* emitted in all: functions that call each other may be many */

typedef struct importer {
    region *home;
    const tf_saved_graph *saved;
    uint64_t emitted;
    tf_tensor *outputs; /* [TF_OUTPUTS_MAX]: of the operation at hand */
} importer;

typedef struct frame_node {
    uint32_t output_count;
    bool is_open; /* on the stack: asked for again, it is a cycle */
    bool is_done;
    tf_tensor *outputs;
} frame_node;

typedef struct frame {
    importer *importer;
    tf_build *build;
    const tf_node *nodes;
    uint32_t node_count;
    const tf_function *function; /* NULL: the graph itself */
    uint32_t depth;
    frame_node *states;
    uint32_t *slots; /* by hash of the name: node + 1, or node_count + argument + 1 */
    uint32_t slot_count;
    bool (*argument)(void *context, uint32_t index, tf_tensor *result);
    void *context;
} frame;

/* Every node is found by its name; nothing is emitted yet. False: the failure is in the graph. */
bool frame_open(frame *f);
/* The tensor "node:1", "node:output:0" or "argument". */
bool frame_tensor(frame *f, const char *source, tf_tensor *result);
/* The node or argument that a source names, and which output. False: there is none (and no
 * failure). *node is NULL for an argument, whose number is *place. */
bool frame_source(const frame *f, const char *source, const tf_node **node, uint32_t *place);
/* Number of a node in f->nodes by name; UINT32_MAX: none. */
uint32_t frame_node_find(const frame *f, const char *name, size_t length);
/* A failure that names the node. Always false. */
bool frame_fail(frame *f, const char *node, ebb_status status, const char *format, ...)
    EBB_PRINTF(4, 5);

/* Emits a While: as many outputs as it has inputs. tf_loop.c */
bool frame_while(frame *f, const tf_node *n, const tf_tensor *inputs, uint32_t input_count,
                 tf_tensor *outputs);
/* The function that an attribute of the node names. */
const tf_function *frame_function(frame *f, const tf_node *n, const char *attribute);

#endif
